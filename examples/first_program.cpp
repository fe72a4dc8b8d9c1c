// The README's first program: a mixture denoiser of two components that knows the law "all positions are equal", and what one network call
// makes of it. Replace `all_equal` by a network of your own; see docs/bring-your-own-network.md.
#include <dimix/dimix.hpp>

#include <cstdio>

using space = dimix::absorbing<3>;  // S = 3: the states 0 and 1, and [MASK]
using process = dimix::forward_process<space, dimix::log_linear>;

// p(x_0 | x_t) = E_λ prod_d p_d(x_0^d | x_t; λ): component 0 says 0 everywhere, component 1 says 1 everywhere.
struct all_equal {
  dimix::categorical_latent latent() const { return {2}; }
  dimix::index_t outputs() const { return 3; }
  void operator()(const dimix::request<float>& asked, dimix::view<float, 4> raw) const {  // raw (B, M, D, S)
    for (dimix::index_t b = 0; b < asked.batch(); ++b)
      for (dimix::index_t m = 0; m < asked.components(); ++m)
        for (dimix::index_t d = 0; d < asked.dims(); ++d)
          for (dimix::index_t s = 0; s < 3; ++s)
            raw(b, m, d, s) = asked.latents(b, m, 0) == static_cast<float>(s) ? 20.0f : 0.0f;
  }
};

int main() {
  const auto x = dimix::sample(process{}, all_equal{}, {.batch = 8, .dims = 16, .steps = 1, .seed = 1});  // (8, 16)
  bool equal = true;
  for (dimix::index_t b = 0; b < 8; ++b) {
    for (dimix::index_t d = 0; d < 16; ++d) {
      std::printf("%d", x(b, d));
      equal = equal && x(b, d) == x(b, 0);
    }
    std::puts("");
  }
  return equal ? 0 : 1;  // one call, and every row is constant: no product of positions can do that
}
