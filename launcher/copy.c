/* launcher copy: brings a disk out of a container image where the cluster has no image volumes.
 *
 * usage: launcher-copy FROM TO [FROM TO...]
 * FROM a file: TO is its copy. FROM a directory: TO is a directory that is there and gets its regular files, one level. Directories above TO are made.
 *
 * How it works: it runs as an init container made of the user's own image, which may hold nothing but a disk; so it is one static file that needs nothing, copied beforehand, by itself, into a volume
 * that is mounted there. Holes stay holes. What it writes is readable and, as the tool itself must be, executable for everybody.
 * Relies on: libc alone. It has no rights: the user of launcher pods, no capabilities. The paths are the controller's; a link below them leads nowhere but into the image itself. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK (4u << 20)
#define FILE_MODE 0755

static bool complain(const char *what, const char *name) {
  fprintf(stderr, "launcher-copy: %s %s: %s\n", what, name, strerror(errno));
  return false;
}

/* Data from `at` to `end`, at the same place in both. */
static bool copy_range(int from, int to, off_t at, off_t end) {
  while (at < end) {
    off_t in = at, out = at;
    ssize_t n = copy_file_range(from, &in, to, &out, (size_t)(end - at < (off_t)CHUNK ? end - at : (off_t)CHUNK), 0);
    if (n < 0 && (errno == EXDEV || errno == EINVAL || errno == EOPNOTSUPP || errno == ENOSYS)) {
      static char buffer[64 << 10];
      n = pread(from, buffer, end - at < (off_t)sizeof buffer ? (size_t)(end - at) : sizeof buffer, at);
      if (n > 0) n = pwrite(to, buffer, (size_t)n, at);
    }
    if (n <= 0) return false;
    at += n;
  }
  return true;
}

/* Holes are skipped; a file system that knows none has one run of data. */
static bool copy_data(int from, int to, off_t size) {
  for (off_t at = 0; at < size;) {
    off_t data = lseek(from, at, SEEK_DATA), hole = data < 0 ? -1 : lseek(from, data, SEEK_HOLE);
    if (data < 0 && errno == ENXIO) break;
    if (data < 0 || hole < 0) data = at, hole = size;
    if (!copy_range(from, to, data, hole)) return false;
    at = hole;
  }
  return ftruncate(to, size) == 0;
}

static bool copy_open(int from, int directory, const char *name) {
  struct stat st;
  int to = openat(directory, name, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
  if (to < 0) return complain("make", name);
  bool done = fstat(from, &st) == 0 && copy_data(from, to, st.st_size) && fchmod(to, FILE_MODE) == 0 && close(to) == 0;
  return done || complain("copy", name);
}

static bool copy_directory(int from, int to) {
  DIR *directory = fdopendir(from);
  bool done = directory != NULL;
  for (struct dirent *entry; done && (entry = readdir(directory));) {
    struct stat st;
    if (fstatat(from, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) continue;
    int file = openat(from, entry->d_name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    done = file >= 0 ? copy_open(file, to, entry->d_name) : complain("open", entry->d_name);
    if (file >= 0) close(file);
  }
  if (directory) closedir(directory);
  return done;
}

/* The directory of `path`, made where it is absent; *ret_name: what follows it. */
static int open_parent(char *path, const char **ret_name) {
  int at = open(*path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  char *part = path + strspn(path, "/");
  for (char *slash; at >= 0 && (slash = strchr(part, '/')); part = slash + 1 + strspn(slash + 1, "/")) {
    *slash = '\0';
    if (mkdirat(at, part, 0755) != 0 && errno != EEXIST) complain("make", part);
    int next = openat(at, part, O_PATH | O_DIRECTORY | O_CLOEXEC);
    close(at);
    at = next;
  }
  *ret_name = part;
  return at;
}

static bool copy(const char *from, char *to) {
  struct stat st;
  const char *name = NULL;
  int source = open(from, O_RDONLY | O_CLOEXEC);
  if (source < 0 || fstat(source, &st) != 0) return complain("open", from);
  int parent = open_parent(to, &name);
  if (parent < 0) return complain("open the directory of", name);
  if (S_ISREG(st.st_mode)) return copy_open(source, parent, name);
  int target = openat(parent, *name ? name : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  return target >= 0 ? copy_directory(source, target) : complain("open", name);
}

int main(int argc, char **argv) {
  if (argc < 3 || argc % 2 == 0) {
    fprintf(stderr, "usage: launcher-copy FROM TO [FROM TO...]\n");
    return 2;
  }
  for (int i = 1; i < argc; i += 2)
    if (!copy(argv[i], argv[i + 1])) return 1;
  return 0;
}
