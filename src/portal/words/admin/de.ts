import { type AdminWords, plural } from './words.ts'

const at = (place: string | null) => (place === null ? '' : ` bei ${place}`)
const sessions = (count: number | null) => (count === null || count < 2 ? '' : ` (${count} Sitzungen)`)

/** German. */
export const ADMIN_DE: AdminWords = {
  overview: 'Überblick',
  before: 'Zurück',
  after: 'Weiter',
  shownOf: (range, all) => `${range} von ${all}`,

  findRoute: 'Name, Host, Rolle oder Adresse',
  allRoutes: 'Alle Routen',
  noRoute: 'Keine Route gefunden.',
  apply: 'Anwenden',
  sortBy: 'Sortierung',
  sortedBy: column => `Sortierung: ${column}`,
  columns: { name: 'Route', state: 'Zustand', access: 'Wer darf', used: 'Zuletzt verwendet', took: 'Antwortzeit' },
  filters: {
    attention: 'Handlungsbedarf',
    up: 'In Betrieb',
    unknown: 'Zustand unbekannt',
    unused: 'Nicht verwendet',
  },
  states: {
    up: 'In Betrieb',
    partly: 'Teilweise gestört',
    down: 'Antwortet nicht',
    unknown: 'Unbekannt',
    own: 'Sallyport antwortet selbst',
    refuses: 'Weist Anfragen ab',
  },
  unknown: {
    'in front': 'Nur der vorgeschaltete Proxy kennt die Adresse.',
    unasked: 'Noch nicht gefragt: Laden Sie die Seite neu.',
  },
  open: { public: 'Alle', authenticated: 'Alle Angemeldeten' },
  exceptions: count => plural(count, '1 Ausnahme', `${count} Ausnahmen`),
  notUsed: 'Seit dem Start nicht',

  ofAll: (some, all) => `${some} von ${all}`,
  allRun: 'Alle sind in Betrieb',
  failing: count => `Handlungsbedarf bei ${count}`,
  unknownCount: count => plural(count, '1 ist unbekannt', `${count} sind unbekannt`),
  peopleActive: (people, active, minutes) =>
    `${plural(people, '1 Person', `${people} Personen`)}, ${active} aktiv in den letzten ${minutes} Minuten`,
  manySessions: 'Alle, die angemeldet sind',
  bound: (bound, unbound, isAll) =>
    `${isAll ? '' : `Von den neuesten ${bound + unbound}: `}${bound} an ein Gerät gebunden, ${unbound} nicht`,
  waiting: count => plural(count, '1 Person wartet', `${count} Personen warten`),
  certificates: 'Zertifikate',
  days: count => plural(count, '1 Tag', `${count} Tage`),
  firstEnds: day => `Das erste läuft am ${day} ab`,
  awaited: names => `Noch kein Zertifikat für ${names}`,
  notYet: 'Noch nicht vorhanden',
  certificateUntil: day => `Bis ${day}`,
  certificateEnded: day => `Abgelaufen am ${day}`,
  notInForce: 'Nicht aktiv',
  since: time => `Seit ${time}`,
  restart: 'Einige Änderungen brauchen einen Neustart',
  latestSignIns: 'Letzte Anmeldungen',
  somebody: 'Jemand',
  deniedAt: (who, route) => `${who} bei ${route}`,

  needsRole: roles => `Nötig ist die Rolle ${roles}, und die fehlt.`,

  route: 'Route',
  requestCount: count => plural(count, '1 Anfrage seit dem Start', `${count} Anfragen seit dem Start`),
  addresses: 'Adressen',
  answeredBy: 'Führt zu',
  inLogs: 'Im Log',
  explain: 'Wer darf sie öffnen?',
  explainLead: 'Zeigt, was die Datei zu einer Anfrage sagt. An die Anwendung wird nichts gesendet.',
  explainWho: 'Person',
  explainAddress: 'Adresse',
  explainMethod: 'Methode',
  explainClient: 'Von (IP-Adresse)',
  explainAsk: 'Erklären',
  explainNone: 'Das ist keine Adresse dieses Portals.',
  explainOther: route => `Diese Adresse gehört zu einer anderen Route: ${route}`,
  may: who => `${who} darf sie öffnen.`,
  mayAs: (who, role) => `${who} darf sie öffnen: Die Rolle ${role} genügt.`,
  mayNot: who => `${who} darf sie nicht öffnen.`,
  mayNotWithout: (who, roles) => `${who} darf sie nicht öffnen: Nötig ist die Rolle ${roles}.`,
  verdicts: {
    allow: 'Erlaubt',
    'sign-in': 'Muss sich anmelden',
    'step-up': 'Muss sich erneut anmelden',
    deny: 'Kein Zugriff',
    'no-route': 'Keine Route',
    refused: 'Abgewiesen',
  },

  today: 'Heute',
  yesterday: 'Gestern',
  auditFind: 'Suchen und filtern',
  auditWhat: 'Was geschehen ist',
  auditEverything: 'Alles',
  auditNewest: 'Neueste',
  auditOnly: 'Nur diese anzeigen',
  auditKinds: {
    sign_in: 'Anmeldungen',
    sign_out: 'Abmeldungen',
    session: 'Gebundene Sitzungen',
    access: 'Abweisungen',
    token: 'Zugangsschlüssel',
    guest: 'Gastzugänge',
    passkey: 'Passkeys',
    invitation: 'Einladungen',
    role: 'Rollen',
    program: 'Programme',
    account: 'Konten',
    provider: 'Anmeldedienste',
    config: 'Konfiguration',
    audit: 'Protokoll',
  },
  events: {
    sign_in: ({ who }) => `${who ?? 'Jemand'} hat sich angemeldet`,
    'sign_in.failed': ({ who }) =>
      who === null ? 'Eine Anmeldung ist fehlgeschlagen' : `Eine Anmeldung für ${who} ist fehlgeschlagen`,
    'sign_in.password_wrong': ({ who }) =>
      who === null
        ? 'Eine Anmeldung mit Passwort wurde abgewiesen'
        : `Eine Anmeldung mit Passwort für ${who} wurde abgewiesen`,
    'sign_in.code_wrong': ({ who }) =>
      `${who ?? 'Jemand'} hat das richtige Passwort, aber einen falschen Code eingegeben`,
    sign_out: ({ who, number }) => `${who ?? 'Jemand'} hat sich abgemeldet${sessions(number)}`,
    'sign_out.replaced': ({ who }) =>
      `${who ?? 'Jemand'} wurde abgemeldet: Im selben Browser hat sich jemand anderes angemeldet`,
    'sign_out.by_admin': ({ who, by, number }) =>
      `${by ?? 'Die Administration'} hat ${who ?? 'jemanden'} abgemeldet${sessions(number)}`,
    'sign_out.by_operator': ({ who }) =>
      who === null
        ? 'Eine Sitzung wurde über die Befehlszeile beendet'
        : `${who} wurde über die Befehlszeile abgemeldet`,
    'sign_out.by_provider': ({ who, number }) =>
      `Der Anmeldedienst hat ${who ?? 'jemanden'} abgemeldet${sessions(number)}`,
    'sign_out.refused': ({ who }) =>
      `Der Anmeldedienst hat ${who === null ? 'eine Anmeldung' : `die Anmeldung von ${who}`} beendet`,
    'sign_out.inactive': ({ who, number }) =>
      `Laut Anmeldedienst ist ${who ?? 'jemand'} nicht mehr aktiv${sessions(number)}`,
    'sign_out.withdrawn': ({ who, number }) =>
      who === null
        ? `Anmeldungen wurden beendet, die dieses Portal nicht mehr annimmt${sessions(number)}`
        : `${who} wurde abgemeldet: Dieses Portal nimmt die Anmeldung nicht mehr an`,
    'session.unproven': ({ who }) =>
      `Eine Anfrage mit dem Cookie ${who === null ? 'einer Anmeldung' : `von ${who}`} kam ohne den Nachweis des Geräts`,
    'session.theft': ({ who }) =>
      `Ein anderes Gerät hat für eine Sitzung${who === null ? '' : ` von ${who}`} unterschrieben; die Sitzung wurde beendet`,
    'access.refused': ({ who, at: place }) => `${who ?? 'Jemand'} wurde${at(place)} abgewiesen`,
    'access.page_refused': ({ who }) => `${who ?? 'Jemand'} wurde auf einer Seite des Portals abgewiesen`,
    'access.step_up': ({ who, at: place }) => `${who ?? 'Jemand'} sollte sich${at(place)} erneut anmelden`,
    'access.unjudged': ({ who, at: place }) =>
      `${who ?? 'Jemand'} wurde${at(place)} abgewiesen, weil sich eine Regel nicht prüfen ließ`,
    'access.token_wrong': ({ at: place }) => `Ein Zugangsschlüssel wurde${at(place)} abgewiesen`,
    'access.password_wrong': ({ who, at: place }) =>
      `Ein Passwort${who === null ? '' : ` für ${who}`} wurde${at(place)} abgewiesen`,
    'token.made': ({ who, isOperator }) =>
      isOperator
        ? `Über die Befehlszeile wurde ein Zugangsschlüssel${who === null ? '' : ` für ${who}`} erstellt`
        : `${who ?? 'Jemand'} hat einen Zugangsschlüssel erstellt`,
    'token.first_used': ({ who }) => `${who ?? 'Jemand'} hat einen Zugangsschlüssel zum ersten Mal verwendet`,
    'token.revoked': ({ who, isOperator }) =>
      `Ein Zugangsschlüssel${who === null ? '' : ` von ${who}`} wurde ${isOperator ? 'über die Befehlszeile ' : ''}widerrufen`,
    'token.repeated': () => 'Ein Zugangsschlüssel wurde widerrufen: Was nur einmal gilt, wurde zweimal verwendet',
    'guest.made': ({ who, at: place, isOperator }) =>
      isOperator
        ? 'Über die Befehlszeile wurde ein Gastzugang erstellt'
        : `${who ?? 'Jemand'} hat einen Gastzugang${place === null ? '' : ` für ${place}`} erstellt`,
    'guest.opened': ({ at: place }) => `Ein Gastzugang${place === null ? '' : ` für ${place}`} wurde geöffnet`,
    'guest.refused': () => 'Ein Gastzugang wurde abgewiesen',
    'guest.revoked': ({ who, isOperator }) =>
      `Ein Gastzugang${who === null || isOperator ? '' : ` von ${who}`} wurde ${isOperator ? 'über die Befehlszeile ' : ''}widerrufen`,
    'passkey.added': ({ who }) => `${who ?? 'Jemand'} hat einen Passkey hinzugefügt`,
    'passkey.removed': ({ who }) => `${who ?? 'Jemand'} hat einen Passkey entfernt`,
    'passkey.cloned': ({ who }) => `Ein Passkey${who === null ? '' : ` von ${who}`} wurde vielleicht kopiert`,
    'sign_in.passkey_wrong': ({ who }) => `Ein Passkey${who === null ? '' : ` von ${who}`} wurde abgewiesen`,
    'invitation.made': ({ who, by }) =>
      by === null
        ? `Über die Befehlszeile wurde eine Einladung für ${who ?? 'jemanden'} erstellt`
        : `${by} hat eine Einladung für ${who ?? 'jemanden'} erstellt`,
    'invitation.used': ({ who }) => `${who ?? 'Jemand'} hat eine Einladung angenommen`,
    'invitation.refused': () => 'Eine Einladung wurde abgewiesen',
    'role.asked': ({ who, role, at: place }) => `${who ?? 'Jemand'} hat${at(place)} die Rolle ${role} angefragt`,
    'role.granted': ({ who, by, role }) =>
      by === null
        ? `Über die Befehlszeile erhielt ${who ?? 'jemand'} die Rolle ${role}`
        : `${by} hat ${who ?? 'jemandem'} die Rolle ${role} erteilt`,
    'role.declined': ({ who, by, role }) =>
      by === null
        ? `Über die Befehlszeile wurde die Rolle ${role} für ${who ?? 'jemanden'} abgelehnt`
        : `${by} hat die Rolle ${role} für ${who ?? 'jemanden'} abgelehnt`,
    'role.revoked': ({ who, by, role, number }) =>
      role === ''
        ? plural(number ?? 0, 'Eine erteilte Rolle wurde entzogen', `${number ?? 0} erteilte Rollen wurden entzogen`)
        : by === null
          ? `Über die Befehlszeile verlor ${who ?? 'jemand'} die Rolle ${role}`
          : `${by} hat ${who ?? 'jemandem'} die Rolle ${role} entzogen`,
    'program.allowed': ({ who, program, at: place }) =>
      `${who ?? 'Jemand'} hat ${program} den Zugriff auf ${place ?? 'eine Anwendung'} erlaubt`,
    'program.declined': ({ who, program, at: place }) =>
      `${who ?? 'Jemand'} hat ${program} den Zugriff auf ${place ?? 'eine Anwendung'} nicht erlaubt`,
    'account.changed': ({ who }) => `${who ?? 'Jemand'} hat die eigene Anmeldung geändert`,
    'account.reset': ({ who, by }) =>
      by === null
        ? `Über die Befehlszeile wurde ${who === null ? 'eine Anmeldung' : `die Anmeldung von ${who}`} zurückgesetzt`
        : `${by} hat ${who === null ? 'eine Anmeldung' : `die Anmeldung von ${who}`} zurückgesetzt`,
    'account.recovery_used': ({ who }) => `${who ?? 'Jemand'} hat sich mit einem Ersatzcode angemeldet`,
    'account.confirm_refused': ({ who }) =>
      `${who ?? 'Jemand'} konnte die eigene Anmeldung nicht ändern, weil das aktuelle Passwort falsch war`,
    'provider.logout_refused': () => 'Eine Abmeldung durch den Anmeldedienst wurde abgewiesen',
    'provider.push_refused': () =>
      'Eine Liste von Personen wurde abgewiesen, weil der richtige Zugangsschlüssel fehlte',
    'config.loaded': () => 'Die geänderte Datei ist jetzt aktiv',
    'config.refused': ({ number }) =>
      `Die geänderte Datei enthält ${number === null || number < 1 ? '' : `${number} `}Fehler, daher bleibt die vorige aktiv`,
    'config.saved': ({ who }) => `${who ?? 'Die Administration'} hat die Datei gespeichert`,
    'config.save_refused': ({ who }) => `${who ?? 'Die Administration'} konnte die Datei nicht speichern`,
    'audit.exported': ({ who }) => `${who ?? 'Die Administration'} hat das Protokoll exportiert`,
    'audit.erased': ({ number }) =>
      `Eine Person wurde aus dem Protokoll gelöscht (${plural(number ?? 0, '1 Eintrag', `${number ?? 0} Einträge`)})`,
    'audit.emptied': () => 'Alle Einträge des Protokolls waren alt genug, um entfernt zu werden',
    'audit.lost': ({ number }) =>
      plural(
        number ?? 0,
        '1 Eintrag konnte nicht geschrieben werden und ist verloren',
        `${number ?? 0} Einträge konnten nicht geschrieben werden und sind verloren`,
      ),
  },

  editSaved: 'Gespeichert',
  editUnsaved: 'Noch nicht gespeichert',
  problems: (errors, warnings) =>
    [
      ...(errors === 0 ? [] : [`${errors} Fehler`]),
      ...(warnings === 0 ? [] : [plural(warnings, '1 Warnung', `${warnings} Warnungen`)]),
    ].join(', '),
  line: number => `Zeile ${number}`,
  editKeys: 'Mit Escape und dann Tab verlassen Sie den Text. Mit Strg und Leertaste ergänzen Sie einen Schlüssel.',
}
