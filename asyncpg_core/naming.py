"""The name that the package goes by in texts: that under which the program has imported it."""
package = "asyncpg_core"
