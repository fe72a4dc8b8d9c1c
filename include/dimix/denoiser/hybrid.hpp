// hybrid: the student for the first calls of a path, the teacher for the rest. It is itself a denoiser, so that every sampler takes it.
// Source: Di4C section 5.1, tauldr scripts/distil_sample.py (-l): the student where correlations are made, the teacher for the details.
#pragma once

#include <dimix/denoiser/wrapper.hpp>

namespace dimix {

template <class Student, class Teacher>
class hybrid : public wrapper<const Student> {
 public:
  /// Calls 0, ..., student_calls - 1 of a path go to the student. Both must have the same head and outputs.
  hybrid(const Student& student, const Teacher& teacher, index_t student_calls)
      : wrapper<const Student>(student), teacher_(teacher), student_calls_(student_calls) {}

  template <class Real>
  void operator()(const request<Real>& asked, view<Real, 4> raw) const {
    if (asked.step < student_calls_) return this->net_(asked, raw);
    if constexpr (mixture_denoiser<Teacher, Real>)
      teacher_(asked, raw);
    else
      teacher_(without_latents(asked, asked.components()), raw);
  }

 private:
  const Teacher& teacher_;
  index_t student_calls_;
};

}  // namespace dimix
