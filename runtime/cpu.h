/* cpu.h: does this processor have what the network's code was compiled for? */
#ifndef CPU_H
#define CPU_H

#include <stddef.h>
#include <stdint.h>

/* Writes the names among `features` (comma-separated LLVM names; "+name" is name, "-name" is not needed) that the processor or
 * the operating system does not offer into buf, separated by ", "; returns how many they are. Names that code for arithmetic never
 * depends on (tuning hints, system instructions) are passed over; any other unknown name counts as missing. */
int cpu_missing(const char *features, char *buf, size_t size);
/* The counter that generated code reads for ctx->ticks: the time stamp counter of x86, else nanoseconds. */
uint64_t cpu_ticks(void);
/* Seconds of a clock that never goes back. */
double cpu_seconds(void);
/* Seconds that this thread has run on a processor. */
double cpu_thread_seconds(void);

#endif
