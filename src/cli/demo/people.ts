/** The people of the demo, whom its provider and its role rules know. */

/** Someone who can sign in at the demo provider. */
export interface DemoPerson {
  /** `sub`: what the sign-in page's buttons carry. */
  readonly subject: string
  readonly name: string
  readonly username: string
  readonly email: string
  readonly groups: readonly string[]
  /** One line for the sign-in page. */
  readonly about: string
}

/** The people of the demo: one for every outcome that a rule can have. */
export const DEMO_PEOPLE: readonly DemoPerson[] = Object.freeze([
  {
    subject: 'demo-ada',
    name: 'Ada',
    username: 'ada',
    email: 'ada@example.com',
    groups: ['admins', 'users'],
    about: 'runs the place',
  },
  {
    subject: 'demo-grace',
    name: 'Grace',
    username: 'grace',
    email: 'grace@example.com',
    groups: ['users'],
    about: 'uses the services',
  },
  {
    subject: 'demo-guest',
    name: 'Guest',
    username: 'guest',
    email: 'guest@example.org',
    groups: [],
    about: 'knows the address, belongs to nothing',
  },
])
