import type { DiagnosticCode } from '../../text/diagnostic.ts'
import { type Raw, showRaw } from '../../text/raw.ts'
import type { Report } from '../../text/report.ts'
import { FILE_HINT } from '../../text/substitute.ts'
import type { ConfigFiles } from '../files.ts'
import type { PemFault } from './pem.ts'

/** What a file that cannot be read, and one that is not PEM, are called. */
export interface PemCodes {
  readonly file: DiagnosticCode
  readonly pem: DiagnosticCode
}

/** The text of a good PEM file; null, with a mistake where there is one, for any other. */
export function checkPem(
  entry: Raw | undefined,
  path: string | null | undefined,
  faultOf: (text: string) => PemFault,
  codes: PemCodes,
  files: ConfigFiles,
  report: Report,
): string | null {
  if (entry === undefined || !path) return null
  const file = files.read(path)
  if (!file.ok) {
    report.mistake(entry.at, codes.file, `the file ${showRaw(entry)} ${file.why}`, { hint: FILE_HINT })
    return null
  }
  const fault = faultOf(file.text)
  if (fault === null) return file.text
  report.mistake(entry.at, codes.pem, `the file ${showRaw(entry)} ${fault}`, {
    hint: 'PEM is text that begins with -----BEGIN',
  })
  return null
}

/** A file that was checked: one that cannot be read is never left out, which would mean less protection than was asked for. */
export function readPem(path: string, files: ConfigFiles): string {
  const file = files.read(path)
  if (!file.ok) throw new TypeError(`${path} ${file.why}, and there is no diagnostic`)
  return file.text
}
