-- A session database as version 1 of the layout has it, with one session of a person and one that says little of itself.
CREATE TABLE sessions (
  id TEXT PRIMARY KEY, portal TEXT NOT NULL, identity TEXT NOT NULL, secrets TEXT NOT NULL,
  created_ms INTEGER NOT NULL, expires_ms INTEGER NOT NULL, seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_expires ON sessions (expires_ms);
CREATE INDEX sessions_seen ON sessions (seen_ms);
CREATE TABLE handles (
  hash TEXT PRIMARY KEY, session_id TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE, host TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX handles_session ON handles (session_id);
CREATE TABLE removed (seq INTEGER PRIMARY KEY AUTOINCREMENT, session_id TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
CREATE TABLE once (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, hash TEXT NOT NULL, owner TEXT NOT NULL, value TEXT NOT NULL,
  expires_ms INTEGER NOT NULL, UNIQUE (kind, hash)
) STRICT;
CREATE INDEX once_owner ON once (kind, owner, seq);
CREATE INDEX once_expires ON once (expires_ms);
PRAGMA user_version = 1;
PRAGMA journal_mode = WAL;
INSERT INTO sessions VALUES
  ('a', 'home', '{"provider":"id","issuer":"https://id.example","subject":"ada","groups":[],"claims":{"sub":"ada","sid":"their-1"}}', 'sealed', 100, 900, 200),
  ('odd', 'home', 'not json', 'sealed', 100, 900, 200);
INSERT INTO handles VALUES ('hash-of-ada', 'a', 'app.example'), ('hash-of-odd', 'odd', 'app.example');
INSERT INTO once (kind, hash, owner, value, expires_ms) VALUES ('login', 'pending', '192.0.2.1', 'sealed too', 900);
