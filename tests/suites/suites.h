/* The end of every test program on CUnit. */
#ifndef XENT_TESTS_SUITES_H
#define XENT_TESTS_SUITES_H

/* Runs the suites that were added and closes the registry; the program's exit status. */
int suites_run(void);

#endif
