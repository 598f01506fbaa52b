import { type AdminWords, plural } from './words.ts'

const at = (place: string | null) => (place === null ? '' : ` sur ${place}`)
const sessions = (count: number | null) => (count === null || count < 2 ? '' : ` (${count} sessions)`)

/** French. What happened to somebody is said without agreeing with them: nobody knows their gender. */
export const ADMIN_FR: AdminWords = {
  overview: 'Vue d’ensemble',
  before: 'Précédent',
  after: 'Suivant',
  shownOf: (range, all) => `${range} sur ${all}`,

  findRoute: 'Nom, hôte, rôle ou adresse',
  allRoutes: 'Toutes les routes',
  noRoute: 'Aucune route ne correspond.',
  apply: 'Appliquer',
  sortBy: 'Trier par',
  sortedBy: column => `Par ${column.toLowerCase()}`,
  columns: {
    name: 'Route',
    state: 'État',
    access: 'Accès',
    used: 'Dernière utilisation',
    took: 'Temps de réponse',
  },
  filters: { attention: 'À vérifier', up: 'En service', unknown: 'État inconnu', unused: 'Non utilisées' },
  states: {
    up: 'En service',
    partly: 'Partiellement en panne',
    down: 'Ne répond pas',
    unknown: 'Inconnu',
    own: 'Sallyport répond lui-même',
    refuses: 'Refuse des requêtes',
  },
  unknown: {
    'in front': 'Seul le proxy placé devant connaît son adresse.',
    unasked: 'Pas encore interrogée\u00a0: rechargez cette page.',
  },
  open: { public: 'Tout le monde', authenticated: 'Toute personne connectée' },
  exceptions: count => plural(count, '1 exception', `${count} exceptions`),
  notUsed: 'Pas depuis le démarrage',

  ofAll: (some, all) => `${some} sur ${all}`,
  allRun: 'Toutes sont en service',
  failing: count => `${count} à vérifier`,
  unknownCount: count => `${count} dans un état inconnu`,
  peopleActive: (people, active, minutes) =>
    `${plural(people, '1 personne', `${people} personnes`)}, ${plural(active, '1 active', `${active} actives`)} ces ${minutes} dernières minutes`,
  manySessions: 'Toutes les personnes connectées',
  bound: (bound, unbound, isAll) =>
    `${isAll ? '' : `Parmi les ${bound + unbound} dernières\u00a0: `}${plural(bound, '1 liée', `${bound} liées`)} à un appareil, ${plural(unbound, '1 non liée', `${unbound} non liées`)}`,
  waiting: count => plural(count, '1 personne attend', `${count} personnes attendent`),
  certificates: 'Certificats',
  days: count => plural(count, '1 jour', `${count} jours`),
  firstEnds: day => `Le premier expire le ${day}`,
  awaited: names => `Pas encore de certificat pour ${names}`,
  notYet: 'Pas encore disponible',
  certificateUntil: day => `Jusqu’au ${day}`,
  certificateEnded: day => `Expiré le ${day}`,
  notInForce: 'Non utilisée',
  since: time => `Depuis ${time}`,
  restart: 'Certaines modifications nécessitent un redémarrage',
  latestSignIns: 'Dernières connexions',
  somebody: 'Quelqu’un',
  deniedAt: (who, route) => `${who} sur ${route}`,

  needsRole: roles => `Il faut le rôle ${roles}, qui manque.`,

  route: 'Route',
  requestCount: count => plural(count, '1 requête depuis le démarrage', `${count} requêtes depuis le démarrage`),
  addresses: 'Adresses',
  answeredBy: 'Mène à',
  inLogs: 'Dans le journal',
  explain: 'Qui peut l’ouvrir\u202f?',
  explainLead: 'Affiche ce que le fichier prévoit pour une requête. Rien n’est envoyé à l’application.',
  explainWho: 'Personne',
  explainAddress: 'Adresse',
  explainMethod: 'Méthode',
  explainClient: 'Depuis (adresse IP)',
  explainAsk: 'Expliquer',
  explainNone: 'Ce n’est pas une adresse de ce portail.',
  explainOther: route => `Cette adresse relève d’une autre route\u00a0: ${route}`,
  may: who => `${who} peut l’ouvrir.`,
  mayAs: (who, role) => `${who} peut l’ouvrir : le rôle ${role} suffit.`,
  mayNot: who => `${who} ne peut pas l’ouvrir.`,
  mayNotWithout: (who, roles) => `${who} ne peut pas l’ouvrir : il faut le rôle ${roles}.`,
  verdicts: {
    allow: 'Autorisé',
    'sign-in': 'Doit se connecter',
    'step-up': 'Doit se reconnecter',
    deny: 'Refusé',
    'no-route': 'Aucune route',
    refused: 'Rejeté',
  },

  today: 'Aujourd’hui',
  yesterday: 'Hier',
  auditFind: 'Rechercher et filtrer',
  auditWhat: 'Ce qui s’est passé',
  auditEverything: 'Tout',
  auditNewest: 'Les plus récents',
  auditOnly: 'N’afficher que ceux-ci',
  auditKinds: {
    sign_in: 'Connexions',
    sign_out: 'Déconnexions',
    session: 'Sessions liées',
    access: 'Refus',
    token: 'Jetons',
    guest: 'Liens invités',
    passkey: 'Clés d’accès',
    invitation: 'Invitations',
    role: 'Rôles',
    program: 'Programmes',
    account: 'Comptes',
    provider: 'Services de connexion',
    config: 'Configuration',
    audit: 'Journal d’audit',
  },
  events: {
    sign_in: ({ who }) => `${who ?? 'Quelqu’un'} a ouvert une session`,
    'sign_in.failed': ({ who }) => (who === null ? 'Une connexion a échoué' : `Une connexion a échoué pour ${who}`),
    'sign_in.password_wrong': ({ who }) =>
      who === null
        ? 'Une connexion par mot de passe a été refusée'
        : `Une connexion par mot de passe a été refusée pour ${who}`,
    'sign_in.code_wrong': ({ who }) => `${who ?? 'Quelqu’un'} a saisi le bon mot de passe et un code incorrect`,
    sign_out: ({ who, number }) => `${who ?? 'Quelqu’un'} a fermé sa session${sessions(number)}`,
    'sign_out.replaced': ({ who }) =>
      `La session de ${who ?? 'quelqu’un'} a été fermée\u00a0: une autre personne s’est connectée dans le même navigateur`,
    'sign_out.by_admin': ({ who, by, number }) =>
      `${by ?? 'Un administrateur'} a fermé la session de ${who ?? 'quelqu’un'}${sessions(number)}`,
    'sign_out.by_operator': ({ who }) =>
      who === null
        ? 'Une session a été fermée en ligne de commande'
        : `La session de ${who} a été fermée en ligne de commande`,
    'sign_out.by_provider': ({ who, number }) =>
      `Le service de connexion a fermé la session de ${who ?? 'quelqu’un'}${sessions(number)}`,
    'sign_out.refused': ({ who }) => `Le service de connexion a mis fin à la connexion de ${who ?? 'quelqu’un'}`,
    'sign_out.inactive': ({ who, number }) =>
      `D’après le service de connexion, le compte de ${who ?? 'quelqu’un'} n’est plus actif${sessions(number)}`,
    'sign_out.withdrawn': ({ who, number }) =>
      who === null
        ? `Des sessions que ce portail n’accepte plus ont été fermées${sessions(number)}`
        : `La session de ${who} a été fermée\u00a0: ce portail ne l’accepte plus`,
    'session.unproven': ({ who }) =>
      `Une requête avec le cookie de ${who ?? 'quelqu’un'} est arrivée sans la preuve de l’appareil`,
    'session.theft': ({ who }) =>
      `Un autre appareil a signé pour une session de ${who ?? 'quelqu’un'}, et la session a été fermée`,
    'access.refused': ({ who, at: place }) => `Accès refusé à ${who ?? 'quelqu’un'}${at(place)}`,
    'access.page_refused': ({ who }) => `Une page du portail a été refusée à ${who ?? 'quelqu’un'}`,
    'access.step_up': ({ who, at: place }) =>
      `Une nouvelle connexion a été demandée à ${who ?? 'quelqu’un'}${at(place)}`,
    'access.unjudged': ({ who, at: place }) =>
      `Accès refusé à ${who ?? 'quelqu’un'}${at(place)}, car une règle n’a pas pu être évaluée`,
    'access.token_wrong': ({ at: place }) => `Un jeton a été refusé${at(place)}`,
    'access.password_wrong': ({ who, at: place }) =>
      `Un mot de passe a été refusé${who === null ? '' : ` pour ${who}`}${at(place)}`,
    'token.made': ({ who, isOperator }) =>
      isOperator
        ? `Un jeton a été créé en ligne de commande${who === null ? '' : ` pour ${who}`}`
        : `${who ?? 'Quelqu’un'} a créé un jeton`,
    'token.first_used': ({ who }) => `${who ?? 'Quelqu’un'} a utilisé un jeton pour la première fois`,
    'token.revoked': ({ who, isOperator }) =>
      `Un jeton${who === null ? '' : ` de ${who}`} a été révoqué${isOperator ? ' en ligne de commande' : ''}`,
    'token.repeated': () => 'Un jeton a été révoqué, car ce dont il est issu a servi deux fois',
    'guest.made': ({ who, at: place, isOperator }) =>
      isOperator
        ? 'Un lien invité a été créé en ligne de commande'
        : `${who ?? 'Quelqu’un'} a créé un lien invité${place === null ? '' : ` pour ${place}`}`,
    'guest.opened': ({ at: place }) => `Un lien invité${place === null ? '' : ` pour ${place}`} a été ouvert`,
    'guest.refused': () => 'Un lien invité a été refusé',
    'guest.revoked': ({ who, isOperator }) =>
      `Un lien invité${who === null || isOperator ? '' : ` de ${who}`} a été révoqué${isOperator ? ' en ligne de commande' : ''}`,
    'passkey.added': ({ who }) => `${who ?? 'Quelqu’un'} a ajouté une clé d’accès`,
    'passkey.removed': ({ who }) => `${who ?? 'Quelqu’un'} a supprimé une clé d’accès`,
    'passkey.cloned': ({ who }) => `Une clé d’accès de ${who ?? 'quelqu’un'} a peut-être été copiée`,
    'sign_in.passkey_wrong': ({ who }) => `Une clé d’accès a été refusée${who === null ? '' : ` pour ${who}`}`,
    'invitation.made': ({ who, by }) =>
      by === null
        ? `Une invitation a été créée pour ${who ?? 'quelqu’un'} en ligne de commande`
        : `${by} a créé une invitation pour ${who ?? 'quelqu’un'}`,
    'invitation.used': ({ who }) => `${who ?? 'Quelqu’un'} a accepté une invitation`,
    'invitation.refused': () => 'Une invitation a été refusée',
    'role.asked': ({ who, role, at: place }) => `${who ?? 'Quelqu’un'} a demandé le rôle ${role}${at(place)}`,
    'role.granted': ({ who, by, role }) =>
      by === null
        ? `Le rôle ${role} a été accordé à ${who ?? 'quelqu’un'} en ligne de commande`
        : `${by} a accordé le rôle ${role} à ${who ?? 'quelqu’un'}`,
    'role.declined': ({ who, by, role }) =>
      by === null
        ? `Le rôle ${role} a été refusé à ${who ?? 'quelqu’un'} en ligne de commande`
        : `${by} a refusé le rôle ${role} à ${who ?? 'quelqu’un'}`,
    'role.revoked': ({ who, by, role, number }) =>
      role === ''
        ? plural(number ?? 0, 'Un rôle accordé a été retiré', `${number ?? 0} rôles accordés ont été retirés`)
        : by === null
          ? `Le rôle ${role} a été retiré à ${who ?? 'quelqu’un'} en ligne de commande`
          : `${by} a retiré le rôle ${role} à ${who ?? 'quelqu’un'}`,
    'program.allowed': ({ who, program, at: place }) =>
      `${who ?? 'Quelqu’un'} a autorisé ${program} à utiliser ${place ?? 'une application'}`,
    'program.declined': ({ who, program, at: place }) =>
      `${who ?? 'Quelqu’un'} n’a pas autorisé ${program} à utiliser ${place ?? 'une application'}`,
    'account.changed': ({ who }) => `${who ?? 'Quelqu’un'} a changé sa façon de se connecter`,
    'account.reset': ({ who, by }) =>
      by === null
        ? `La connexion de ${who ?? 'quelqu’un'} a été réinitialisée en ligne de commande`
        : `${by} a réinitialisé la connexion de ${who ?? 'quelqu’un'}`,
    'account.recovery_used': ({ who }) => `${who ?? 'Quelqu’un'} a utilisé un code de secours pour se connecter`,
    'account.confirm_refused': ({ who }) =>
      `${who ?? 'Quelqu’un'} n’a pas pu changer sa façon de se connecter\u00a0: le mot de passe actuel était incorrect`,
    'provider.logout_refused': () => 'Une déconnexion par le service de connexion a été refusée',
    'provider.push_refused': () => 'Une liste d’utilisateurs a été refusée, car elle est arrivée sans le bon jeton',
    'config.loaded': () => 'Le fichier modifié est maintenant utilisé',
    'config.refused': ({ number }) =>
      `Le fichier modifié contient ${number === null ? 'des erreurs' : plural(number, '1 erreur', `${number} erreurs`)}\u00a0: le précédent reste utilisé`,
    'config.saved': ({ who }) => `${who ?? 'Un administrateur'} a enregistré le fichier`,
    'config.save_refused': ({ who }) => `${who ?? 'Un administrateur'} n’a pas pu enregistrer le fichier`,
    'audit.exported': ({ who }) => `${who ?? 'Un administrateur'} a exporté le journal d’audit`,
    'audit.erased': ({ number }) =>
      `Une personne a été effacée du journal d’audit (${plural(number ?? 0, '1 entrée', `${number ?? 0} entrées`)})`,
    'audit.emptied': () => 'Toutes les entrées du journal d’audit étaient assez anciennes pour être supprimées',
    'audit.lost': ({ number }) =>
      plural(
        number ?? 0,
        '1 entrée n’a pas pu être écrite et est perdue',
        `${number ?? 0} entrées n’ont pas pu être écrites et sont perdues`,
      ),
  },

  editSaved: 'Enregistré',
  editUnsaved: 'Pas encore enregistré',
  problems: (errors, warnings) =>
    [
      ...(errors === 0 ? [] : [plural(errors, '1 erreur', `${errors} erreurs`)]),
      ...(warnings === 0 ? [] : [plural(warnings, '1 avertissement', `${warnings} avertissements`)]),
    ].join(', '),
  line: number => `ligne ${number}`,
  editKeys: 'Pour quitter le texte, appuyez sur Échap, puis sur Tabulation. Ctrl+Espace complète une clé.',
}
