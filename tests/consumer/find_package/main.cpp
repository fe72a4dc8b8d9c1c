// One of two files that include everything: a definition without inline would be found twice by the linker.
#include <dimix/dimix.hpp>

#include <cstdio>

dimix::random_block block_of_other_file();

int main() {
  const dimix::random_block here = dimix::philox({{1, 2, 3, 4}}, 5, 6);
  const dimix::random_block there = block_of_other_file();
  const bool same = here.first() == there.first() && here.second() == there.second();
  std::printf("dimix %d.%d.%d: two files draw %s bits\n", DIMIX_VERSION_MAJOR, DIMIX_VERSION_MINOR, DIMIX_VERSION_PATCH,
              same ? "the same" : "different");
  return same ? 0 : 1;
}
