// Two numbers of a level are no logits of states, so that there is no matrix to multiply with.
// error: linear_head: Rows must be softmax, subs or values_only
#include <dimix/nn/linear_head/head.hpp>

const dimix::nn::linear_head<float, dimix::subs> accepted{{}, {}, dimix::subs{3}};

#ifdef OFFEND
const dimix::nn::linear_head<float, dimix::truncated_logistic> refused;
#endif
