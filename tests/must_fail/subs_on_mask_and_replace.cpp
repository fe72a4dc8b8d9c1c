// Where noise also replaces, a visible token is no certain one: the bound of a teacher says so too.
// error: subs takes a visible token for certain, which holds only where noise does nothing but hide
#include <dimix/objective/nelbo.hpp>

const dimix::forward_process process(dimix::mask_and_replace<4>{0.5}, dimix::log_linear{});
const dimix::view<const dimix::token, 2> tokens;
const dimix::view<const double, 1> t;
const dimix::view<const float, 4> raw;
void accepted() { dimix::nelbo<float>(process, dimix::values_only{3}, tokens, tokens, t, raw, dimix::cpu{1}); }

#ifdef OFFEND
void refused() { dimix::nelbo<float>(process, dimix::subs{3}, tokens, tokens, t, raw, dimix::cpu{1}); }
#endif
