/* driver.h: what netc does from its command line to its exit code. */
#ifndef NETC_DRIVER_H
#define NETC_DRIVER_H

/* Runs netc with the arguments of main(); returns the exit code, everything having been said on stderr. */
int driver_main(int argc, char **argv);

#endif
