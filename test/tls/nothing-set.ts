/** What the configuration reads where none of the database's variables is set. */
export const unset = {
  url: null,
  urlName: 'DATABASE_URL',
  engine: null,
  hostname: '127.0.0.1',
  port: null,
  username: null,
  password: '',
  namePrefix: '',
  ssl: { ca: null, cert: null, key: null },
  data: './unused',
} as const;
