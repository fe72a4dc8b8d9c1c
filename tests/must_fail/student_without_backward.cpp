// Learning needs a network that takes gradients.
// error: distiller: Student must provide outputs(), operator(), forward(request, raw) and backward(gradient); see dimix/denoiser.hpp
#include <dimix/distiller.hpp>

struct teacher {
  dimix::index_t outputs() const { return 4; }
  void operator()(const dimix::request<float>&, dimix::view<float, 4>) const {}
};
struct student : teacher {
  void forward(const dimix::request<float>&, dimix::view<float, 4>) {}
  void backward(dimix::view<const float, 4>) {}
};
using process = dimix::forward_process<dimix::absorbing<4>, dimix::log_linear>;
using accepted = dimix::distiller<float, process, teacher, student>;
constexpr auto size_of_accepted = sizeof(accepted);

#ifdef OFFEND
using refused = dimix::distiller<float, process, teacher, teacher>;
constexpr auto size_of_refused = sizeof(refused);
#endif
