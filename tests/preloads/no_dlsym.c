/* What glibc before 2.34 is to a program without libdl: dlsym finds nothing. */
#include <stddef.h>

void* dlsym(void* handle, const char* name) {
  (void)handle;
  (void)name;
  return NULL;
}
