// hybrid: the student for the first calls of a path, the teacher for the rest. It is itself a denoiser, so that every sampler takes it.
// Source: Di4C section 5.1, tauldr scripts/distil_sample.py (-l): the student where correlations are made, the teacher for the details.
#pragma once

#include <dimix/denoiser.hpp>

namespace dimix {

template <class Student, class Teacher>
class hybrid {
 public:
  /// Calls 0, ..., student_calls - 1 of a path go to the student. Both must have the same head and outputs.
  hybrid(const Student& student, const Teacher& teacher, index_t student_calls)
      : student_(student), teacher_(teacher), student_calls_(student_calls) {}

  index_t outputs() const { return student_.outputs(); }
  auto latent() const
    requires requires(const Student s) { s.latent(); }
  {
    return student_.latent();
  }
  auto head() const
    requires requires(const Student s) { s.head(); }
  {
    return student_.head();
  }

  template <class Real>
  void operator()(request<Real> asked, view<Real, 4> raw) const {
    if (asked.step < student_calls_) return student_(asked, raw);
    if constexpr (!mixture_denoiser<Teacher, Real>)
      asked.latents = {asked.latents.data(), asked.batch(), asked.components(), index_t{0}};
    teacher_(asked, raw);
  }

 private:
  const Student& student_;
  const Teacher& teacher_;
  index_t student_calls_;
};

}  // namespace dimix
