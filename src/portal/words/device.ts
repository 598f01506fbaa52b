/** The words about sessions that are bound to a device, in each language. */

export interface DeviceWords {
  /** Of the session that looks at the page, and of another one. */
  readonly bound: string
  readonly boundThere: string
  /** On the page of sessions, and at the next sign-in. */
  unproven(when: string, address: string): string
  readonly noticeTitle: string
  readonly noticeAdvice: string
  /** Of a page that waits until the browser has bound the session. */
  readonly waits: string
  readonly waitsLead: string
  readonly cannot: string
  readonly cannotLead: string
}

export const EN_DEVICE: DeviceWords = {
  bound: 'Bound to this device',
  boundThere: 'Bound to its device',
  unproven: (when, address) =>
    `A request with this sign-in’s cookie came without the proof of its device, and was refused: ${when}, from ${address}.`,
  noticeTitle: 'Your sign-in was used without your device',
  noticeAdvice:
    'Your own browser does this when it could not renew the proof, for example without a network. If you do not know the address, sign out everywhere, and have your devices checked for malware.',
  waits: 'Your sign-in is being bound to this device',
  waitsLead: 'This page continues by itself.',
  cannot: 'This browser cannot bind your sign-in to this device',
  cannotLead:
    'This site needs a browser that can, such as a current Chrome, and not in a private window. If yours can, wait ten minutes and sign in again.',
}

export const DE_DEVICE: DeviceWords = {
  bound: 'An dieses Gerät gebunden',
  boundThere: 'An sein Gerät gebunden',
  unproven: (when, address) =>
    `Eine Anfrage mit dem Cookie dieser Anmeldung kam ohne den Nachweis ihres Geräts und wurde abgelehnt: ${when}, von ${address}.`,
  noticeTitle: 'Ihre Anmeldung wurde ohne Ihr Gerät verwendet',
  noticeAdvice:
    'Das tut auch Ihr eigener Browser, wenn er den Nachweis nicht erneuern konnte, etwa ohne Netz. Wenn Sie die Adresse nicht kennen, melden Sie sich überall ab, und lassen Sie Ihre Geräte auf Schadsoftware prüfen.',
  waits: 'Ihre Anmeldung wird an dieses Gerät gebunden',
  waitsLead: 'Diese Seite geht von selbst weiter.',
  cannot: 'Dieser Browser kann Ihre Anmeldung nicht an dieses Gerät binden',
  cannotLead:
    'Hier brauchen Sie einen Browser, der das kann, etwa ein aktuelles Chrome, und kein privates Fenster. Wenn Ihrer es kann, warten Sie zehn Minuten und melden Sie sich noch einmal an.',
}

export const FR_DEVICE: DeviceWords = {
  bound: 'Liée à cet appareil',
  boundThere: 'Liée à son appareil',
  unproven: (when, address) =>
    `Une requête avec le cookie de cette connexion est arrivée sans la preuve de son appareil et a été refusée\u00a0: ${when}, depuis ${address}.`,
  noticeTitle: 'Votre connexion a été utilisée sans votre appareil',
  noticeAdvice:
    'Votre propre navigateur le fait aussi quand il n’a pas pu renouveler la preuve, par exemple sans réseau. Si vous ne connaissez pas l’adresse, déconnectez-vous partout et faites vérifier que vos appareils n’ont pas de logiciel malveillant.',
  waits: 'Votre connexion est en train d’être liée à cet appareil',
  waitsLead: 'Cette page continue toute seule.',
  cannot: 'Ce navigateur ne peut pas lier votre connexion à cet appareil',
  cannotLead:
    'Il vous faut ici un navigateur qui le peut, par exemple un Chrome récent, et pas de fenêtre privée. Si le vôtre le peut, attendez dix minutes et connectez-vous de nouveau.',
}

export const ES_DEVICE: DeviceWords = {
  bound: 'Vinculada a este dispositivo',
  boundThere: 'Vinculada a su dispositivo',
  unproven: (when, address) =>
    `Una solicitud con la cookie de esta sesión llegó sin la prueba de su dispositivo y se rechazó: ${when}, desde ${address}.`,
  noticeTitle: 'Tu sesión se usó sin tu dispositivo',
  noticeAdvice:
    'También lo hace tu propio navegador cuando no pudo renovar la prueba, por ejemplo sin red. Si no conoces la dirección, cierra la sesión en todas partes y comprueba que tus dispositivos no tengan software malicioso.',
  waits: 'Tu sesión se está vinculando a este dispositivo',
  waitsLead: 'Esta página continúa sola.',
  cannot: 'Este navegador no puede vincular tu sesión a este dispositivo',
  cannotLead:
    'Aquí necesitas un navegador que pueda, por ejemplo un Chrome actual, y no una ventana privada. Si el tuyo puede, espera diez minutos e inicia sesión otra vez.',
}
