/* What a process with keys or a user's data does first. */
#ifndef BB_SERVICE_SECRETS_H
#define BB_SERVICE_SECRETS_H

/* Memory never reaches a disk, and nobody else's hands: no core file, and no other process of the
 * user may look. */
void bb_keep_secrets(void);

#endif
