// English words as token sequences, and the fixed split that every number of the example rests on.
//
//   "dog" -> d o g _ _ _ _ _      D = 8 positions, 27 symbols: a to z are 0 to 25, the space 26; the mask comes after them
//
// Laws: text_of(tokens_of(word)) is the word; the three parts of a split are disjoint and together are the whole list.
#pragma once

#include <dimix/core/array.hpp>
#include <dimix/core/error.hpp>
#include <dimix/denoiser.hpp>

#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace words {

using dimix::array;
using dimix::index_t;
using dimix::token;
using dimix::view;

inline constexpr index_t longest = 8;  // D
inline constexpr token space = 26;
inline constexpr index_t symbols = 27;

/// A list of words of 1 to 8 letters a to z, one a line, in rising order without repetition. Errors: file_error.
inline std::vector<std::string> load_words(const std::string& file) {
  std::ifstream in(file);
  dimix::expects<dimix::file_error>(in.good(), "cannot read '", file, "'");
  std::vector<std::string> list;
  for (std::string word; std::getline(in, word);) {
    const auto line = list.size() + 1;
    dimix::expects<dimix::file_error>(!word.empty() && word.size() <= static_cast<std::size_t>(longest), "cannot use '", file,
                                      "': line ", line, " has ", word.size(), " characters, needed are 1 to ", longest);
    for (char c : word)
      dimix::expects<dimix::file_error>(c >= 'a' && c <= 'z', "cannot use '", file, "': '", word, "' in line ", line,
                                        " is not of the letters a to z");
    dimix::expects<dimix::file_error>(list.empty() || list.back() < word, "cannot use '", file, "': '", word, "' in line ",
                                      line, " does not come after '", list.empty() ? "" : list.back(), "'");
    list.push_back(word);
  }
  dimix::expects<dimix::file_error>(list.size() >= 25, "cannot use '", file, "': ", list.size(),
                                    " words are too few, at least 25 are needed");
  return list;
}

/// (n, 8)
inline array<token, 2> tokens_of(const std::vector<std::string>& list) {
  array<token, 2> tokens(static_cast<index_t>(list.size()), longest);
  tokens.fill(space);
  for (std::size_t i = 0; i < list.size(); ++i)
    for (std::size_t d = 0; d < list[i].size(); ++d)
      tokens(static_cast<index_t>(i), static_cast<index_t>(d)) = list[i][d] - 'a';
  return tokens;
}

/// The letters and spaces of a row, without the spaces at its end.
inline std::string text_of(view<const token, 1> row) {
  std::string text;
  for (token x : row) {
    dimix::expects(x >= 0 && x < symbols, "text_of: ", x, " is no symbol of [0, ", symbols, ")");
    text += x == space ? ' ' : static_cast<char>('a' + x);
  }
  return text.substr(0, text.find_last_not_of(' ') + 1);
}

struct word_split {
  std::vector<std::string> train, validation, held_out;

  std::vector<std::string> all() const {
    std::vector<std::string> list = train;
    list.insert(list.end(), validation.begin(), validation.end());
    list.insert(list.end(), held_out.begin(), held_out.end());
    return list;
  }
};

/// Word i of the list is held out when i % 5 = 4. Of the others every tenth is kept back when hyper-parameters are chosen
/// (with_validation), and all are for training otherwise. Neighbours share their stems, so that held-out words are not quite unseen.
inline word_split split(const std::vector<std::string>& list, bool with_validation) {
  word_split parts;
  index_t kept = 0;
  for (std::size_t i = 0; i < list.size(); ++i) {
    if (i % 5 == 4)
      parts.held_out.push_back(list[i]);
    else
      (with_validation && kept++ % 10 == 9 ? parts.validation : parts.train).push_back(list[i]);
  }
  return parts;
}

}  // namespace words
