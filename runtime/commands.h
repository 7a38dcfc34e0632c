/* commands.h: the subcommands. Each runs to its end or ends the process with its own message; the exit code is what it returns. */
#ifndef COMMANDS_H
#define COMMANDS_H

#include "machine.h"
#include "options.h"

int command_train(const nrt_model *m, const Options *o);
int command_test(const nrt_model *m, const Options *o);
int command_predict(const nrt_model *m, const Options *o);
int command_run(const nrt_model *m, const Options *o);
int command_summary(const nrt_model *m, const Options *o);
int command_time(const nrt_model *m, const Options *o);
int command_export(const nrt_model *m, const Options *o);

/* ---- what they share ---- */

/* --threads, or a thread for each processor. */
int option_threads(const Options *o);
/* --batch, or the compiled one. */
int64_t option_batch(const nrt_model *m, const Options *o);
/* --seed, or the source's. */
uint64_t option_seed(const nrt_model *m, const Options *o);
/* Loads --weights, else best.safetensors, else last.safetensors of runs/NAME, into the state; ends the process where there are none. Returns
 * the names of the classes that they were trained on, "cat/dog", or null where the file does not say; the caller frees them. */
char *weights_find(const nrt_model *m, const Options *o, char *state);
/* Ends the process where weights that were trained on the classes `trained` ("cat/dog", or null) meet images of other classes. `weights` names
 * them in the message. */
void classes_match(const char *weights, const char *trained, const Dataset *d);
/* Warns of files that the loader could not read, if there are more than `told`; returns how many there are. */
int64_t unreadable_warn(Loader *l, const Dataset *d, int64_t told);
/* The network's score on all of the data behind the loader, in its order, in inference mode. `confusion` is null or counts
 * [true class][found class], model outputs squared. The caller looks at loader_fault. */
Score evaluate(Machine *k, Loader *l, int64_t *confusion);

#endif
