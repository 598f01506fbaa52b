/** How our pages look. The build makes the stylesheet short. */

import stylesheet from './style.css' with { type: 'text' }

export const STYLE: string = stylesheet

/** The mark as a whole picture, without anything else. */
export const MARK =
  '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><path d="M4 31V16a12 12 0 0 1 24 0v15z" fill="#1d6358"/><path d="M11 31V17a5 5 0 0 1 10 0v14z" fill="#fdfcfa"/></svg>'
