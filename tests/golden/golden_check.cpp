// golden_check DIR: what the library computes from the recorded inputs in DIR, against what the authors' code computed from
// them. A line per case: the largest error over tolerance, the outputs checked out of those recorded, ok or MISS; below it
// the public calls that the numbers came from, and the outputs that are skipped. Exits with 0 only if nothing is missed and
// every file could be read.
#include "golden/check_folder.hpp"

#include <iostream>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: golden_check DIR\n";
    return 2;
  }
  try {
    return golden::check_folder(argv[1], std::cout).good() ? 0 : 1;
  } catch (const std::exception& reason) {
    std::cerr << "golden_check: " << reason.what() << '\n';
    return 1;
  }
}
