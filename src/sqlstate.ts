/*
 * The SQLSTATEs that more than one file asks for, by Postgres's own names:
 * https://www.postgresql.org/docs/current/errcodes-appendix.html
 */

export const DEADLOCK_DETECTED = "40P01";
export const DEPENDENT_OBJECTS_STILL_EXIST = "2BP01";
export const DISK_FULL = "53100";
export const INSUFFICIENT_PRIVILEGE = "42501";
export const INVALID_SCHEMA_NAME = "3F000";
export const LOCK_NOT_AVAILABLE = "55P03";
export const QUERY_CANCELED = "57014";
export const READ_ONLY_SQL_TRANSACTION = "25006";
export const UNDEFINED_COLUMN = "42703";
export const UNDEFINED_FUNCTION = "42883";
export const UNDEFINED_TABLE = "42P01";
export const UNTRANSLATABLE_CHARACTER = "22P05";
