/* Runs a program built for aarch64 by qemu-user, so that the tests need not know of it.
 *
 * LAUNCHERS/tests/victims/x, a link to this program, runs GUESTS/tests/victims/x. What is to be preloaded goes
 * to the guest alone: this program is static, or the loader would complain about a library of another machine.
 * qemu is started by a name of the guest's, as the kernel names a process after the file that it runs.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

static const char* format(char* to, const char* how, const char* a, const char* b) {
  if (snprintf(to, PATH_MAX, how, a, b) >= PATH_MAX) exit(126);
  return to;
}

int main(int argc, char** argv) {
  static char here[PATH_MAX], guest[PATH_MAX], name[PATH_MAX], preload[PATH_MAX];
  const char* started_as = (const char*)getauxval(AT_EXECFN);
  const char* path = started_as;
  if (*path != '/') {
    char folder[PATH_MAX];
    if (!getcwd(folder, sizeof folder)) return 126;
    path = format(here, "%s/%s", folder, started_as);
  }
  const char* below = strstr(path, LAUNCHERS "/");
  if (!below) {
    fprintf(stderr, "emulate: %s is not in " LAUNCHERS "\n", path);
    return 126;
  }
  below += strlen(LAUNCHERS "/");

  const char** arguments = calloc((size_t)argc + 16, sizeof *arguments);
  if (!arguments) return 126;
  int count = 0;
  arguments[count++] = "qemu-aarch64";
  arguments[count++] = "-L";
  arguments[count++] = strncmp(below, "tests/musl/", 11) ? GLIBC : MUSL;
  arguments[count++] = "-0";
  arguments[count++] = argv[0];
  const char* wanted = getenv("LD_PRELOAD");
  if (wanted) {
    arguments[count++] = "-E";
    arguments[count++] = format(preload, "%s%s", "LD_PRELOAD=", wanted);
    unsetenv("LD_PRELOAD");
  }
  arguments[count++] = format(guest, "%s/%s", GUESTS, below);
  for (int i = 1; i < argc; i++) arguments[count++] = argv[i];

  execv(format(name, "%s/names/%s", LAUNCHERS, strrchr(path, '/') + 1), (char**)arguments);
  perror(name);
  return 126;
}
