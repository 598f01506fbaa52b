import { type AdminWords, plural } from './words.ts'

const at = (place: string | null) => (place === null ? '' : ` en ${place}`)
const sessions = (count: number | null) => (count === null || count < 2 ? '' : ` (${count} sesiones)`)

/** Spanish. */
export const ADMIN_ES: AdminWords = {
  overview: 'Resumen',
  before: 'Anterior',
  after: 'Siguiente',
  shownOf: (range, all) => `${range} de ${all}`,

  findRoute: 'Nombre, host, rol o dirección',
  allRoutes: 'Todas las rutas',
  noRoute: 'Ninguna ruta coincide.',
  apply: 'Aplicar',
  sortBy: 'Ordenar por',
  sortedBy: column => `Por ${column.toLowerCase()}`,
  columns: {
    name: 'Ruta',
    state: 'Estado',
    access: 'Quién puede',
    used: 'Último uso',
    took: 'Tiempo de respuesta',
  },
  filters: { attention: 'Requiere atención', up: 'En marcha', unknown: 'Estado desconocido', unused: 'Sin uso' },
  states: {
    up: 'En marcha',
    partly: 'Falla en parte',
    down: 'No responde',
    unknown: 'Desconocido',
    own: 'Responde Sallyport',
    refuses: 'Rechaza peticiones',
  },
  unknown: {
    'in front': 'Solo el proxy de delante conoce su dirección.',
    unasked: 'Aún no se ha consultado: vuelve a cargar la página.',
  },
  open: { public: 'Todo el mundo', authenticated: 'Quien haya iniciado sesión' },
  exceptions: count => plural(count, '1 excepción', `${count} excepciones`),
  notUsed: 'Sin uso desde el arranque',

  ofAll: (some, all) => `${some} de ${all}`,
  allRun: 'Todas están en marcha',
  failing: count => plural(count, '1 requiere atención', `${count} requieren atención`),
  unknownCount: count => plural(count, '1 en estado desconocido', `${count} en estado desconocido`),
  peopleActive: (people, active, minutes) =>
    `${plural(people, '1 persona', `${people} personas`)}, ${plural(active, '1 activa', `${active} activas`)} en los últimos ${minutes} minutos`,
  manySessions: 'Todas las personas con sesión iniciada',
  bound: (bound, unbound, isAll) =>
    `${isAll ? '' : `De las ${bound + unbound} más recientes: `}${plural(bound, '1 vinculada', `${bound} vinculadas`)} a un dispositivo, ${plural(unbound, '1 sin vincular', `${unbound} sin vincular`)}`,
  waiting: count => plural(count, '1 persona espera', `${count} personas esperan`),
  certificates: 'Certificados',
  days: count => plural(count, '1 día', `${count} días`),
  firstEnds: day => `El primero caduca el ${day}`,
  awaited: names => `Aún no hay certificado para ${names}`,
  notYet: 'Aún no está',
  certificateUntil: day => `Hasta el ${day}`,
  certificateEnded: day => `Caducó el ${day}`,
  notInForce: 'No está en uso',
  since: time => `Desde ${time}`,
  restart: 'Algunos cambios necesitan un reinicio',
  latestSignIns: 'Últimos inicios de sesión',
  somebody: 'Alguien',
  deniedAt: (who, route) => `${who} en ${route}`,

  needsRole: roles => `Hace falta el rol ${roles}, que no tiene.`,

  route: 'Ruta',
  requestCount: count => plural(count, '1 petición desde el arranque', `${count} peticiones desde el arranque`),
  addresses: 'Direcciones',
  answeredBy: 'Lleva a',
  inLogs: 'En el registro',
  explain: '¿Quién puede abrirla?',
  explainLead: 'Muestra lo que dice el archivo sobre una petición. No se envía nada a la aplicación.',
  explainWho: 'Persona',
  explainAddress: 'Dirección',
  explainMethod: 'Método',
  explainClient: 'Desde (dirección IP)',
  explainAsk: 'Explicar',
  explainNone: 'No es una dirección de este portal.',
  explainOther: route => `Esta dirección la atiende otra ruta: ${route}`,
  may: who => `${who} puede abrirla.`,
  mayAs: (who, role) => `${who} puede abrirla: basta con el rol ${role}.`,
  mayNot: who => `${who} no puede abrirla.`,
  mayNotWithout: (who, roles) => `${who} no puede abrirla: hace falta el rol ${roles}.`,
  verdicts: {
    allow: 'Permitido',
    'sign-in': 'Tiene que iniciar sesión',
    'step-up': 'Tiene que iniciar sesión de nuevo',
    deny: 'Denegado',
    'no-route': 'Ninguna ruta',
    refused: 'Rechazado',
  },

  today: 'Hoy',
  yesterday: 'Ayer',
  auditFind: 'Buscar y filtrar',
  auditWhat: 'Qué ocurrió',
  auditEverything: 'Todo',
  auditNewest: 'Más recientes',
  auditOnly: 'Mostrar solo estos',
  auditKinds: {
    sign_in: 'Inicios de sesión',
    sign_out: 'Cierres de sesión',
    session: 'Sesiones vinculadas',
    access: 'Rechazos',
    token: 'Claves de aplicación',
    guest: 'Enlaces de invitado',
    passkey: 'Llaves de acceso',
    invitation: 'Invitaciones',
    role: 'Roles',
    program: 'Programas',
    account: 'Cuentas',
    provider: 'Servicios de inicio de sesión',
    config: 'Configuración',
    audit: 'Registro de auditoría',
  },
  events: {
    sign_in: ({ who }) => `${who ?? 'Alguien'} inició sesión`,
    'sign_in.failed': ({ who }) => (who === null ? 'Falló un inicio de sesión' : `Falló un inicio de sesión de ${who}`),
    'sign_in.password_wrong': ({ who }) =>
      `Se rechazó un inicio de sesión con contraseña${who === null ? '' : ` de ${who}`}`,
    'sign_in.code_wrong': ({ who }) => `${who ?? 'Alguien'} dio la contraseña correcta y un código equivocado`,
    sign_out: ({ who, number }) => `${who ?? 'Alguien'} cerró sesión${sessions(number)}`,
    'sign_out.replaced': ({ who }) =>
      `La sesión de ${who ?? 'alguien'} se cerró: otra persona inició sesión en el mismo navegador`,
    'sign_out.by_admin': ({ who, by, number }) =>
      `${by ?? 'Alguien de la administración'} cerró la sesión de ${who ?? 'alguien'}${sessions(number)}`,
    'sign_out.by_operator': ({ who }) =>
      who === null
        ? 'Se cerró una sesión desde la línea de comandos'
        : `La sesión de ${who} se cerró desde la línea de comandos`,
    'sign_out.by_provider': ({ who, number }) =>
      `El servicio de inicio de sesión cerró la sesión de ${who ?? 'alguien'}${sessions(number)}`,
    'sign_out.refused': ({ who }) => `El servicio de inicio de sesión puso fin a la sesión de ${who ?? 'alguien'}`,
    'sign_out.inactive': ({ who, number }) =>
      `Según el servicio de inicio de sesión, ${who ?? 'alguien'} ya no tiene la cuenta activa${sessions(number)}`,
    'sign_out.withdrawn': ({ who, number }) =>
      who === null
        ? `Se cerraron sesiones que este portal ya no acepta${sessions(number)}`
        : `La sesión de ${who} se cerró: este portal ya no la acepta`,
    'session.unproven': ({ who }) =>
      `Una solicitud con la cookie de ${who ?? 'alguien'} llegó sin la prueba del dispositivo`,
    'session.theft': ({ who }) => `Otro dispositivo firmó por una sesión de ${who ?? 'alguien'}, y la sesión se cerró`,
    'access.refused': ({ who, at: place }) => `Se denegó el acceso a ${who ?? 'alguien'}${at(place)}`,
    'access.page_refused': ({ who }) => `Se denegó a ${who ?? 'alguien'} el acceso a una página del portal`,
    'access.step_up': ({ who, at: place }) => `Se pidió a ${who ?? 'alguien'} que iniciara sesión de nuevo${at(place)}`,
    'access.unjudged': ({ who, at: place }) =>
      `Se denegó el acceso a ${who ?? 'alguien'}${at(place)}, porque una regla no se pudo evaluar`,
    'access.token_wrong': ({ at: place }) => `Se rechazó una clave de aplicación${at(place)}`,
    'access.password_wrong': ({ who, at: place }) =>
      `Se rechazó una contraseña${who === null ? '' : ` de ${who}`}${at(place)}`,
    'token.made': ({ who, isOperator }) =>
      isOperator
        ? `Se creó una clave de aplicación${who === null ? '' : ` para ${who}`} desde la línea de comandos`
        : `${who ?? 'Alguien'} creó una clave de aplicación`,
    'token.first_used': ({ who }) => `${who ?? 'Alguien'} usó una clave de aplicación por primera vez`,
    'token.revoked': ({ who, isOperator }) =>
      `Se revocó una clave de aplicación${who === null ? '' : ` de ${who}`}${isOperator ? ' desde la línea de comandos' : ''}`,
    'token.repeated': () =>
      'Se anuló una clave de aplicación, porque el código o la clave con que se obtuvo se usó dos veces',
    'guest.made': ({ who, at: place, isOperator }) =>
      isOperator
        ? 'Se creó un enlace de invitado desde la línea de comandos'
        : `${who ?? 'Alguien'} creó un enlace de invitado${place === null ? '' : ` para ${place}`}`,
    'guest.opened': ({ at: place }) => `Se abrió un enlace de invitado${place === null ? '' : ` para ${place}`}`,
    'guest.refused': () => 'Se rechazó un enlace de invitado',
    'guest.revoked': ({ who, isOperator }) =>
      `Se revocó un enlace de invitado${who === null || isOperator ? '' : ` de ${who}`}${isOperator ? ' desde la línea de comandos' : ''}`,
    'passkey.added': ({ who }) => `${who ?? 'Alguien'} añadió una llave de acceso`,
    'passkey.removed': ({ who }) => `${who ?? 'Alguien'} quitó una llave de acceso`,
    'passkey.cloned': ({ who }) => `Puede que se haya copiado una llave de acceso de ${who ?? 'alguien'}`,
    'sign_in.passkey_wrong': ({ who }) => `Se rechazó una llave de acceso${who === null ? '' : ` de ${who}`}`,
    'invitation.made': ({ who, by }) =>
      by === null
        ? `Se creó una invitación para ${who ?? 'alguien'} desde la línea de comandos`
        : `${by} creó una invitación para ${who ?? 'alguien'}`,
    'invitation.used': ({ who }) => `${who ?? 'Alguien'} aceptó una invitación`,
    'invitation.refused': () => 'Se rechazó una invitación',
    'role.asked': ({ who, role, at: place }) => `${who ?? 'Alguien'} pidió el rol ${role}${at(place)}`,
    'role.granted': ({ who, by, role }) =>
      by === null
        ? `Se concedió el rol ${role} a ${who ?? 'alguien'} desde la línea de comandos`
        : `${by} concedió el rol ${role} a ${who ?? 'alguien'}`,
    'role.declined': ({ who, by, role }) =>
      by === null
        ? `Se rechazó el rol ${role} para ${who ?? 'alguien'} desde la línea de comandos`
        : `${by} rechazó el rol ${role} para ${who ?? 'alguien'}`,
    'role.revoked': ({ who, by, role, number }) =>
      role === ''
        ? plural(number ?? 0, 'Se revocó un rol concedido', `Se revocaron ${number ?? 0} roles concedidos`)
        : by === null
          ? `Se revocó el rol ${role} de ${who ?? 'alguien'} desde la línea de comandos`
          : `${by} revocó el rol ${role} de ${who ?? 'alguien'}`,
    'program.allowed': ({ who, program, at: place }) =>
      `${who ?? 'Alguien'} permitió que ${program} use ${place ?? 'una aplicación'}`,
    'program.declined': ({ who, program, at: place }) =>
      `${who ?? 'Alguien'} no permitió que ${program} use ${place ?? 'una aplicación'}`,
    'account.changed': ({ who }) => `${who ?? 'Alguien'} cambió su forma de iniciar sesión`,
    'account.reset': ({ who, by }) =>
      by === null
        ? `Se restableció la forma de iniciar sesión de ${who ?? 'alguien'} desde la línea de comandos`
        : `${by} restableció la forma de iniciar sesión de ${who ?? 'alguien'}`,
    'account.recovery_used': ({ who }) => `${who ?? 'Alguien'} inició sesión con un código de recuperación`,
    'account.confirm_refused': ({ who }) =>
      `${who ?? 'Alguien'} no pudo cambiar su forma de iniciar sesión, porque la contraseña actual era incorrecta`,
    'provider.logout_refused': () => 'Se rechazó un cierre de sesión del servicio de inicio de sesión',
    'provider.push_refused': () => 'Se rechazó una lista de usuarios, porque llegó sin la clave correcta',
    'config.loaded': () => 'El archivo modificado está en uso',
    'config.refused': ({ number }) =>
      `El archivo modificado tiene ${number === null ? 'errores' : plural(number, '1 error', `${number} errores`)}, así que el anterior sigue en uso`,
    'config.saved': ({ who }) => `${who ?? 'Alguien de la administración'} guardó el archivo`,
    'config.save_refused': ({ who }) => `${who ?? 'Alguien de la administración'} no pudo guardar el archivo`,
    'audit.exported': ({ who }) => `${who ?? 'Alguien de la administración'} exportó el registro de auditoría`,
    'audit.erased': ({ number }) =>
      `Se borró a una persona del registro de auditoría (${plural(number ?? 0, '1 entrada', `${number ?? 0} entradas`)})`,
    'audit.emptied': () => 'Todas las entradas del registro de auditoría eran lo bastante antiguas para borrarlas',
    'audit.lost': ({ number }) =>
      plural(
        number ?? 0,
        '1 entrada no se pudo escribir y se perdió',
        `${number ?? 0} entradas no se pudieron escribir y se perdieron`,
      ),
  },

  editSaved: 'Guardado',
  editUnsaved: 'Sin guardar',
  problems: (errors, warnings) =>
    [
      ...(errors === 0 ? [] : [plural(errors, '1 error', `${errors} errores`)]),
      ...(warnings === 0 ? [] : [plural(warnings, '1 advertencia', `${warnings} advertencias`)]),
    ].join(', '),
  line: number => `línea ${number}`,
  editKeys:
    'Para salir del texto, pulsa Escape y luego Tabulador. Con Ctrl y espacio se completa el nombre de un ajuste.',
}
