// Where the part thrust is asked for: its sequential system needs no further library.
#include <dimix/backend/thrust.hpp>

#include <cstdio>

int main() {
  int rows = 0;
  dimix::thrust_sequential{}.sweep<float>(3, 2, [&](const auto&, dimix::view<float, 1> tile, dimix::index_t) {
    rows += tile.extent(0) == 2 ? 1 : 100;
  });
  std::printf("Thrust %d runs %d rows\n", THRUST_VERSION, rows);
  return rows == 3 ? 0 : 1;
}
