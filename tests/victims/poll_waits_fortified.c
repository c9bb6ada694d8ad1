/* poll_waits, built with FORTIFY, whose poll is __poll_chk and whose ppoll is __ppoll_chk. */
#undef _FORTIFY_SOURCE
#define _FORTIFY_SOURCE 2
#include "tests/victims/poll_waits.c"
