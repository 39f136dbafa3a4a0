/** A value, name or file that cannot be used. The message names it as the user wrote it and says what was expected. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}
