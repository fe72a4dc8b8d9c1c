#include <dimix/dimix.hpp>

dimix::random_block block_of_other_file();

dimix::random_block block_of_other_file() { return dimix::philox({{1, 2, 3, 4}}, 5, 6); }
