// How good are sampled words? Shares among the samples of what real words have, and one distance.
//
// A sample is read as the text before its spaces at the end. Its trigrams are those of ^text$, as in "^do", "dog", "og$" for "dog"; one with
// a space inside occurs in no word. Real words score: about 0.997 of the trigrams of words that no training has seen are trigrams of
// training words. Shares of n samples have a standard error of at most 0.5 / sqrt(n).
#pragma once

#include "dataset.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <unordered_set>

namespace words {

struct quality {
  double trigrams = 0;    // share of the samples' trigrams that occur in training words
  double padding = 0;     // share of samples with one letter at least, then letters, then spaces only
  double dictionary = 0;  // share of samples that are words of the whole list
  double held_out = 0;    // share of samples that are words which no training has seen
  double distinct = 0;    // different samples / samples
  double lengths = 0;     // total variation distance of the lengths of texts, 0 to 8, to those of the reference words
};

/// f(a, b, c) for every trigram of ^text$; an empty text has none.
template <class F>
void each_trigram(const std::string& text, F&& f) {
  const std::string whole = "^" + text + "$";
  for (std::size_t i = 0; i + 2 < whole.size(); ++i) f(whole[i], whole[i + 1], whole[i + 2]);
}

inline bool well_formed(const std::string& text) { return !text.empty() && text.find(' ') == std::string::npos; }

/// Shares of texts of 0, 1, ..., 8 characters.
inline std::array<double, longest + 1> length_shares(const std::vector<std::string>& texts) {
  std::array<double, longest + 1> shares{};
  for (const std::string& text : texts) shares[text.size()] += 1.0 / static_cast<double>(texts.size());
  return shares;
}

/// sum |a - b| / 2
template <std::size_t N>
double total_variation(const std::array<double, N>& a, const std::array<double, N>& b) {
  double sum = 0;
  for (std::size_t i = 0; i < N; ++i) sum += std::abs(a[i] - b[i]) / 2;
  return sum;
}

/// Expected share of different ones among n draws from `count` equally likely words: count (1 - (1 - 1/count)^n) / n.
inline double expected_distinct(index_t count, index_t n) {
  const double N = static_cast<double>(count), draws = static_cast<double>(n);
  return -N * std::expm1(draws * std::log1p(-1 / N)) / draws;
}

class quality_meter {
 public:
  /// reference: words for the lengths, the validation or the held-out ones.
  quality_meter(const word_split& parts, const std::vector<std::string>& reference)
      : reference_(length_shares(reference)), held_out_(parts.held_out.begin(), parts.held_out.end()) {
    const std::vector<std::string> all = parts.all();
    all_.insert(all.begin(), all.end());
    for (const std::string& word : parts.train)
      each_trigram(word, [&](char a, char b, char c) { trigrams_.insert({a, b, c}); });
  }

  index_t trigrams() const { return static_cast<index_t>(trigrams_.size()); }
  index_t words() const { return static_cast<index_t>(all_.size()); }

  /// samples (n, 8), n >= 1, every token a letter or a space
  quality operator()(view<const token, 2> samples) const {
    std::vector<std::string> texts;
    for (index_t i = 0; i < samples.extent(0); ++i) texts.push_back(text_of(samples.row(i)));
    return of(texts);
  }

  /// The same of texts without spaces at their ends.
  quality of(const std::vector<std::string>& texts) const {
    dimix::expects(!texts.empty(), "quality_meter: there are no samples");
    const double each = 1.0 / static_cast<double>(texts.size());
    quality seen;
    double known = 0, count = 0;
    for (const std::string& text : texts) {
      each_trigram(text, [&](char a, char b, char c) {
        ++count;
        known += trigrams_.contains({a, b, c}) ? 1 : 0;
      });
      seen.padding += well_formed(text) ? each : 0;
      seen.dictionary += all_.contains(text) ? each : 0;
      seen.held_out += held_out_.contains(text) ? each : 0;
    }
    seen.trigrams = count > 0 ? known / count : 0;
    seen.distinct = static_cast<double>(std::unordered_set<std::string>(texts.begin(), texts.end()).size()) * each;
    seen.lengths = total_variation(length_shares(texts), reference_);
    return seen;
  }

 private:
  std::array<double, longest + 1> reference_;
  std::set<std::array<char, 3>> trigrams_;
  std::unordered_set<std::string> all_, held_out_;
};

}  // namespace words
