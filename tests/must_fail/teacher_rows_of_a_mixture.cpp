// The rows of a mixture's components are no targets for every position apart.
// error: teacher_rows: the teacher must be factorized; distil a mixture with dimix/distiller.hpp
#include <dimix/distiller/teacher_rows.hpp>
#include <dimix/latent.hpp>

struct factorized {
  dimix::index_t outputs() const { return 4; }
  void operator()(const dimix::request<double>&, dimix::view<double, 4>) const {}
};
struct mixture : factorized {
  dimix::uniform_latent latent() const { return {}; }
};

template <class Teacher>
auto rows_of_two_steps() {
  const dimix::forward_process<dimix::absorbing<4>, dimix::log_linear> process;
  return dimix::teacher_rows<double>(process, Teacher{}, {}, {}, {}, 2, dimix::rng{}, {}, dimix::cpu{1});
}
auto accepted() { return rows_of_two_steps<factorized>(); }

#ifdef OFFEND
auto refused() { return rows_of_two_steps<mixture>(); }
#endif
