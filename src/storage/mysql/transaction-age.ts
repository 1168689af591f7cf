/**
 * Seconds since the start of a transaction `t` of information_schema.INNODB_TRX. The server writes trx_started in the
 * zone of its own machine, whatever the session's is: against NOW() it was hours off.
 */
export const transactionAge = `GREATEST(0, TIMESTAMPDIFF(SECOND, t.trx_started, CONVERT_TZ(UTC_TIMESTAMP(), '+00:00', 'SYSTEM')))`;
