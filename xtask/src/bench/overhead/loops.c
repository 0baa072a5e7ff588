/* Opens and reads a file, or executes a program, many times: `loops open N FILE`, `loops spawn N`. */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
extern char **environ;
int main(int argc, char **argv) {
  long n = atol(argv[2]);
  char buffer[512];
  for (long i = 0; i < n; i++) {
    if (!strcmp(argv[1], "open")) {
      int fd = open(argv[3], O_RDONLY);
      if (fd < 0 || read(fd, buffer, sizeof buffer) <= 0) return 1;
      close(fd);
    } else {
      pid_t pid; int status;
      char *args[] = {"true", NULL};
      if (posix_spawn(&pid, "/bin/true", NULL, NULL, args, environ)) return 1;
      if (waitpid(pid, &status, 0) != pid || status) return 1;
    }
  }
  return 0;
}
