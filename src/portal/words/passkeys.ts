/** What pages say of passkeys and invitations, in every language. */

/** Plain text, as in `Words`. */
export interface PasskeyWords {
  readonly signIn: string
  /** In the place of a form for a password, where there are only passkeys. */
  readonly signInLead: string
  /** The browser or its user did not go through with it; or the device has one of this user already. */
  readonly failed: string
  readonly known: string
  readonly noPasskeys: string
  readonly needsScripts: string

  readonly heading: string
  readonly lead: string
  readonly add: string
  readonly create: string
  readonly name: string
  /** `used`: null before the first time. */
  times(made: string, used: string | null): string
  readonly synced: string
  readonly remove: string
  removeNamed(name: string): string
  /** On the page of one's account, where there are passkeys alone. */
  readonly confirmLead: string
  readonly confirm: string

  welcome(name: string): string
  invitation(site: string, until: string): string
  readonly accept: string
  createLead(name: string): string
  /** Under what is said to somebody who has passkeys already. */
  readonly createTakeover: string
  readonly gone: string
  readonly goneWhy: string

  readonly noticeTitle: string
  notice(name: string, moment: string): string
  readonly noticeAdvice: string

  readonly people: string
  readonly peopleLead: string
  readonly peopleEmpty: string
  count(passkeys: number): string
  lastSignIn(ago: string): string
  /** Where no sign-in is known. */
  readonly notSeen: string
  readonly invite: string
  inviteNamed(name: string): string
  made(name: string): string
  /** In the place of the button beside somebody with more roles. */
  readonly stronger: string
  readonly signInFirst: string
}

export const EN_PASSKEYS: PasskeyWords = {
  signIn: 'Sign in with a passkey',
  signInLead: 'Here you sign in with a passkey. If you have none, ask the person who runs this site for an invitation.',
  failed: 'The passkey was not used. Try again.',
  known: 'This device already has a passkey for you.',
  noPasskeys: 'This browser does not support passkeys.',
  needsScripts: 'Passkeys need JavaScript, which is turned off in this browser.',
  heading: 'Passkeys',
  lead: 'Sign in with your fingerprint, your face or the PIN of your device.',
  add: 'Add a passkey',
  create: 'Create a passkey',
  name: 'Name of this passkey',
  times: (made, used) => (used === null ? `Made ${made}, not used yet` : `Made ${made}, last used ${used}`),
  synced: 'synced',
  remove: 'Remove',
  removeNamed: name => `Remove the passkey ${name}`,
  confirmLead: 'How you sign in. Before you change something, confirm with a passkey.',
  confirm: 'Confirm with a passkey',
  welcome: name => `Welcome, ${name}`,
  invitation: (site, until) => `You are invited to ${site}. This link is for you alone. It works once, until ${until}.`,
  accept: 'Accept the invitation',
  createLead: name =>
    `Create a passkey for ${name}. Your device then asks for your fingerprint, your face or its PIN, now and whenever you sign in.`,
  createTakeover: 'You have passkeys already. This one is added, and you are signed out everywhere else.',
  gone: 'This invitation is not valid',
  goneWhy: 'It was used, it has expired, or a newer one has taken its place. Ask for another one.',
  noticeTitle: 'A passkey was added to your account',
  notice: (name, moment) => `The passkey “${name}” was added with an invitation on ${moment}.`,
  noticeAdvice: 'If that was not you, remove it, and tell the person who runs this site.',
  people: 'Users',
  peopleLead:
    'An invitation is a link by which somebody creates a passkey and is signed in. A new link ends the one before.',
  peopleEmpty: 'The file has no users.',
  count: passkeys => (passkeys === 0 ? 'no passkey' : passkeys === 1 ? '1 passkey' : `${passkeys} passkeys`),
  lastSignIn: ago => `last sign-in ${ago}`,
  notSeen: 'no sign-in known',
  invite: 'Invite',
  inviteNamed: name => `Invite ${name}`,
  made: name => `Give this link to ${name} and to nobody else. It is shown only now, and works once, for 24 hours.`,
  stronger: 'has roles that you do not have',
  signInFirst: 'Sign in again to make invitations',
}

export const DE_PASSKEYS: PasskeyWords = {
  signIn: 'Mit Passkey anmelden',
  signInLead:
    'Hier melden Sie sich mit einem Passkey an. Wenn Sie keinen haben, bitten Sie die Administration um eine Einladung.',
  failed: 'Der Passkey wurde nicht verwendet. Versuchen Sie es erneut.',
  known: 'Auf diesem Gerät haben Sie bereits einen Passkey.',
  noPasskeys: 'Dieser Browser unterstützt keine Passkeys.',
  needsScripts: 'Passkeys brauchen JavaScript, das in diesem Browser ausgeschaltet ist.',
  heading: 'Passkeys',
  lead: 'Melden Sie sich mit Fingerabdruck, Gesicht oder der PIN Ihres Geräts an.',
  add: 'Passkey hinzufügen',
  create: 'Passkey erstellen',
  name: 'Name dieses Passkeys',
  times: (made, used) =>
    used === null ? `Erstellt ${made}, noch nicht verwendet` : `Erstellt ${made}, zuletzt verwendet ${used}`,
  synced: 'synchronisiert',
  remove: 'Entfernen',
  removeNamed: name => `Passkey ${name} entfernen`,
  confirmLead: 'So melden Sie sich an. Bestätigen Sie mit einem Passkey, bevor Sie etwas ändern.',
  confirm: 'Mit Passkey bestätigen',
  welcome: name => `Willkommen, ${name}`,
  invitation: (site, until) =>
    `Sie sind zu ${site} eingeladen. Diese Einladung ist nur für Sie. Sie gilt einmal, bis ${until}.`,
  accept: 'Einladung annehmen',
  createLead: name =>
    `Erstellen Sie einen Passkey für ${name}. Ihr Gerät fragt dann jetzt und bei jeder Anmeldung nach Fingerabdruck, Gesicht oder PIN.`,
  createTakeover: 'Sie haben bereits Passkeys. Dieser kommt dazu, und überall sonst werden Sie abgemeldet.',
  gone: 'Diese Einladung ist nicht gültig',
  goneWhy: 'Sie wurde schon verwendet, ist abgelaufen oder wurde durch eine neuere ersetzt. Bitten Sie um eine neue.',
  noticeTitle: 'Ihrem Konto wurde ein Passkey hinzugefügt',
  notice: (name, moment) => `Der Passkey „${name}“ wurde mit einer Einladung hinzugefügt: ${moment}.`,
  noticeAdvice: 'Wenn Sie das nicht waren, entfernen Sie ihn, und geben Sie der Administration Bescheid.',
  people: 'Personen',
  peopleLead:
    'Eine Einladung ist eine Adresse: Wer sie öffnet, erstellt einen Passkey und ist damit angemeldet. Eine neue Einladung beendet die vorige.',
  peopleEmpty: 'In der Datei stehen keine Personen.',
  count: passkeys => (passkeys === 0 ? 'kein Passkey' : passkeys === 1 ? '1 Passkey' : `${passkeys} Passkeys`),
  lastSignIn: ago => `letzte Anmeldung ${ago}`,
  notSeen: 'keine Anmeldung bekannt',
  invite: 'Einladen',
  inviteNamed: name => `${name} einladen`,
  made: name =>
    `Geben Sie diese Adresse nur an ${name} weiter. Sie wird nur jetzt angezeigt und gilt einmal, 24\u00a0Stunden lang.`,
  stronger: 'hat Rollen, die Sie nicht haben',
  signInFirst: 'Erneut anmelden, um Einladungen zu erstellen',
}

export const FR_PASSKEYS: PasskeyWords = {
  signIn: 'Se connecter avec une clé d’accès',
  signInLead:
    'Ici, vous vous connectez avec une clé d’accès. Si vous n’en avez pas, demandez une invitation à la personne qui gère ce site.',
  failed: 'La clé d’accès n’a pas été utilisée. Réessayez.',
  known: 'Cet appareil a déjà une clé d’accès pour vous.',
  noPasskeys: 'Ce navigateur ne prend pas en charge les clés d’accès.',
  needsScripts: 'Les clés d’accès ont besoin de JavaScript, qui est désactivé dans ce navigateur.',
  heading: 'Clés d’accès',
  lead: 'Connectez-vous avec votre empreinte digitale, votre visage ou le code de votre appareil.',
  add: 'Ajouter une clé d’accès',
  create: 'Créer une clé d’accès',
  name: 'Nom de cette clé d’accès',
  times: (made, used) =>
    used === null ? `Créée le ${made}, pas encore utilisée` : `Créée le ${made}, dernière utilisation le ${used}`,
  synced: 'synchronisée',
  remove: 'Supprimer',
  removeNamed: name => `Supprimer la clé d’accès ${name}`,
  confirmLead: 'Votre façon de vous connecter. Avant toute modification, confirmez avec une clé d’accès.',
  confirm: 'Confirmer avec une clé d’accès',
  welcome: name => `Bienvenue, ${name}`,
  invitation: (site, until) =>
    `Vous êtes invité à rejoindre ${site}. Ce lien vous est personnel. Il fonctionne une seule fois, jusqu’au ${until}.`,
  accept: 'Accepter l’invitation',
  createLead: name =>
    `Créez une clé d’accès pour ${name}. Votre appareil demande alors votre empreinte digitale, votre visage ou son code, maintenant et à chaque connexion.`,
  createTakeover: 'Vous avez déjà des clés d’accès. Celle-ci s’y ajoute, et vous êtes déconnecté partout ailleurs.',
  gone: 'Cette invitation n’est pas valide',
  goneWhy: 'Elle a été utilisée, elle a expiré, ou une plus récente l’a remplacée. Demandez-en une autre.',
  noticeTitle: 'Une clé d’accès a été ajoutée à votre compte',
  notice: (name, moment) => `La clé d’accès «\u00a0${name}\u00a0» a été ajoutée avec une invitation le ${moment}.`,
  noticeAdvice: 'Si ce n’était pas vous, supprimez-la et prévenez la personne qui gère ce site.',
  people: 'Utilisateurs',
  peopleLead:
    'Une invitation est un lien avec lequel quelqu’un crée une clé d’accès et se connecte. Un nouveau lien met fin au précédent.',
  peopleEmpty: 'Le fichier ne contient aucun utilisateur.',
  count: passkeys =>
    passkeys === 0 ? 'aucune clé d’accès' : passkeys === 1 ? '1 clé d’accès' : `${passkeys} clés d’accès`,
  lastSignIn: ago => `dernière connexion ${ago}`,
  notSeen: 'aucune connexion connue',
  invite: 'Inviter',
  inviteNamed: name => `Inviter ${name}`,
  made: name =>
    `Donnez ce lien à ${name} et à personne d’autre. Il n’est affiché que maintenant et fonctionne une seule fois, pendant 24 heures.`,
  stronger: 'a des rôles que vous n’avez pas',
  signInFirst: 'Se reconnecter pour créer des invitations',
}

export const ES_PASSKEYS: PasskeyWords = {
  signIn: 'Iniciar sesión con una llave de acceso',
  signInLead:
    'Aquí se inicia sesión con una llave de acceso. Si no tienes ninguna, pide una invitación a quien administra este sitio.',
  failed: 'La llave de acceso no se ha usado. Inténtalo de nuevo.',
  known: 'Este dispositivo ya tiene una llave de acceso tuya.',
  noPasskeys: 'Este navegador no admite llaves de acceso.',
  needsScripts: 'Las llaves de acceso necesitan JavaScript, que está desactivado en este navegador.',
  heading: 'Llaves de acceso',
  lead: 'Inicia sesión con tu huella, tu cara o el PIN de tu dispositivo.',
  add: 'Añadir una llave de acceso',
  create: 'Crear una llave de acceso',
  name: 'Nombre de esta llave de acceso',
  times: (made, used) =>
    used === null ? `Creada ${made}, aún sin usar` : `Creada ${made}, usada por última vez ${used}`,
  synced: 'sincronizada',
  remove: 'Quitar',
  removeNamed: name => `Quitar la llave de acceso ${name}`,
  confirmLead: 'Cómo inicias sesión. Antes de cambiar algo, confirma con una llave de acceso.',
  confirm: 'Confirmar con una llave de acceso',
  welcome: name => `Te damos la bienvenida, ${name}`,
  invitation: (site, until) =>
    `Tienes una invitación a ${site}. Este enlace es solo para ti. Funciona una sola vez, hasta el ${until}.`,
  accept: 'Aceptar la invitación',
  createLead: name =>
    `Crea una llave de acceso para ${name}. Tu dispositivo te pedirá tu huella, tu cara o su PIN, ahora y cada vez que inicies sesión.`,
  createTakeover: 'Ya tienes llaves de acceso. Esta se añade, y se cierran todas tus demás sesiones.',
  gone: 'Esta invitación no es válida',
  goneWhy: 'Se ha usado, ha caducado o una más reciente la ha sustituido. Pide otra.',
  noticeTitle: 'Se ha añadido una llave de acceso a tu cuenta',
  notice: (name, moment) => `La llave de acceso «${name}» se añadió con una invitación: ${moment}.`,
  noticeAdvice: 'Si no fuiste tú, quítala y avisa a quien administra este sitio.',
  people: 'Usuarios',
  peopleLead:
    'Una invitación es un enlace con el que alguien crea una llave de acceso e inicia sesión. Un enlace nuevo anula el anterior.',
  peopleEmpty: 'El archivo no tiene usuarios.',
  count: passkeys =>
    passkeys === 0 ? 'sin llaves de acceso' : passkeys === 1 ? '1 llave de acceso' : `${passkeys} llaves de acceso`,
  lastSignIn: ago => `último inicio de sesión ${ago}`,
  notSeen: 'sin inicios de sesión conocidos',
  invite: 'Invitar',
  inviteNamed: name => `Invitar a ${name}`,
  made: name =>
    `Da este enlace a ${name} y a nadie más. Solo se muestra ahora, y funciona una sola vez, durante 24 horas.`,
  stronger: 'tiene roles que tú no tienes',
  signInFirst: 'Iniciar sesión de nuevo para crear invitaciones',
}
