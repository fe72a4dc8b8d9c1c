// When a position was revealed can only be said where there is a mask.
// error: teacher_rows: only noise that does nothing but hide, as absorbing, says when a position was revealed; see dimix/distiller/teacher_rows.hpp
#include <dimix/distiller/teacher_rows.hpp>

struct teacher {
  dimix::index_t outputs() const { return 4; }
  void operator()(const dimix::request<double>&, dimix::view<double, 4>) const {}
};

template <class Space>
auto rows_of_two_steps() {
  return dimix::teacher_rows<double>(dimix::forward_process<Space, dimix::log_linear>(), teacher{}, {}, {}, {}, 2, dimix::rng{},
                                     {}, dimix::cpu{1});
}
auto accepted() { return rows_of_two_steps<dimix::absorbing<4>>(); }

#ifdef OFFEND
auto refused() { return rows_of_two_steps<dimix::uniform<4>>(); }
#endif
