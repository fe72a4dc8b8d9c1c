// What is taken for log p has to be an estimator.
// error: joint_likelihood: Estimator must be plain, jackknife or a likelihood_estimator; see dimix/marginal/estimator.hpp
#include <dimix/objective.hpp>

constexpr auto accepted = sizeof(dimix::joint_likelihood<double, false, dimix::jackknife>);

#ifdef OFFEND
struct bootstrap {};
constexpr auto refused = sizeof(dimix::joint_likelihood<double, false, bootstrap>);
#endif
