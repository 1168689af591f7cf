/** Rules of the protocol that a test takes out, one at a time, to see that the model would notice. */
export type Broken =
  | 'T6 without the fence'
  | 'T6 without any guard of the span'
  | 'T3 that only locks the run row'
  | 'T3 that only reads the run row'
  | 'T7 without the run row'
  | 'T10 that closes no spans'
  | 'T3 without the late path'
  | 'T3 without the request row'
  | 'a look given out too early'
  | 'a tally in its own transaction'
  | 'T6 that parks without the run row'
  | 'T5 that does not compare the end of the span'
  | null;
