// The words example: reading and splitting the list, and the measurements in small cases known by hand.
#include "io/files.hpp"
#include "words/quality.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

namespace words_tests {

using dimix::index_t;
using doctest::Approx;
using words::quality;
using words::quality_meter;
using words::word_split;

namespace {

const std::vector<std::string>& list() {
  static const std::vector<std::string> all = words::load_words(DIMIX_TEST_DATA "/../../examples/data/words/words.txt");
  return all;
}

/// aat, bat, ... to zat, with another word in the third line.
std::string file_with(const test::temporary_folder& folder, const std::string& third) {
  std::string text;
  for (char c = 'a'; c <= 'z'; ++c) text += c == 'c' ? third + "\n" : std::string(1, c) + "at\n";
  const std::string file = folder / "list.txt";
  dimix::write_whole(file, text);
  return file;
}

word_split small_parts() { return {.train = {"dog", "dot"}, .validation = {}, .held_out = {"dodo"}}; }

}  // namespace

TEST_CASE("the list that is shipped: 35,577 words of 3 to 8 letters, a fifth of them held out") {
  CHECK(list().size() == 35'577);
  for (const std::string& word : list()) CHECK_MESSAGE(word.size() >= 3, word);
  const word_split whole = words::split(list(), false), choosing = words::split(list(), true);
  CHECK(whole.train.size() == 28'462);
  CHECK(whole.validation.empty());
  CHECK(whole.held_out.size() == 7'115);
  CHECK(whole.held_out.front() == list()[4]);
  CHECK(choosing.held_out == whole.held_out);
  CHECK(choosing.validation.size() == 2'846);
  CHECK(choosing.train.size() + choosing.validation.size() == whole.train.size());
  std::vector<std::string> all = choosing.all();
  std::sort(all.begin(), all.end());
  CHECK(all == list());
}

TEST_CASE("trigrams of the training words, and what real words score: the numbers of the study") {
  const word_split parts = words::split(list(), false);
  const quality_meter meter(parts, parts.held_out);
  CHECK(meter.trigrams() == 5'738);
  const quality real = meter.of(parts.held_out);
  CHECK(real.trigrams == Approx(0.9967).epsilon(1e-4));
  CHECK(real.padding == Approx(1));
  CHECK(real.dictionary == Approx(1));
  CHECK(real.held_out == Approx(1));
  CHECK(real.distinct == Approx(1));
  CHECK(real.lengths == Approx(0));
  CHECK(meter.of(parts.train).trigrams == 1);
  CHECK(meter.of(parts.train).held_out == 0);
}

TEST_CASE("words and tokens: there and back, spaces at the end alone are cut") {
  const std::vector<std::string> some = {"dog", "abcdefgh", "z"};
  const auto tokens = words::tokens_of(some);
  CHECK(tokens.extent(0) == 3);
  CHECK(tokens(0, 0) == 3);
  CHECK(tokens(0, 3) == words::space);
  CHECK(tokens(2, 0) == 25);
  for (index_t i = 0; i < 3; ++i) CHECK(words::text_of(tokens.whole().row(i)) == some[static_cast<std::size_t>(i)]);

  dimix::array<dimix::token, 2> odd(2, 8);
  odd.fill(words::space);
  CHECK(words::text_of(odd.whole().row(0)).empty());
  odd(1, 1) = 0;
  odd(1, 3) = 1;
  CHECK(words::text_of(odd.whole().row(1)) == " a b");
  odd(1, 3) = 27;  // the mask
  CHECK_THROWS_WITH_AS(words::text_of(odd.whole().row(1)), doctest::Contains("27 is no symbol of [0, 27)"),
                       dimix::invalid_argument);
}

TEST_CASE("trigrams: boundaries count, an inner space is seen nowhere") {
  std::vector<std::string> seen;
  const auto keep = [&](char a, char b, char c) { seen.push_back({a, b, c}); };
  words::each_trigram("dog", keep);
  CHECK(seen == std::vector<std::string>{"^do", "dog", "og$"});
  seen.clear();
  words::each_trigram("a", keep);
  CHECK(seen == std::vector<std::string>{"^a$"});
  seen.clear();
  words::each_trigram("", keep);
  CHECK(seen.empty());

  const quality_meter meter(small_parts(), {"dog"});  // ^do dog og$ dot ot$
  CHECK(meter.trigrams() == 5);
  CHECK(meter.of({"dog"}).trigrams == 1);
  CHECK(meter.of({"god"}).trigrams == 0);                        // ^go god od$
  CHECK(meter.of({"dogs"}).trigrams == 0.5);                     // ^do dog | ogs gs$
  CHECK(meter.of({"dog", "dogs"}).trigrams == Approx(5.0 / 7));  // of all trigrams, not the mean of words
  CHECK(meter.of({"do g"}).trigrams == 0.25);                    // ^do | "do " "o g" " g$"
  CHECK(meter.of({""}).trigrams == 0);
}

TEST_CASE("padding, dictionary, held-out and distinct shares") {
  CHECK(words::well_formed("a"));
  CHECK_FALSE(words::well_formed(""));
  CHECK_FALSE(words::well_formed(" a"));
  CHECK_FALSE(words::well_formed("a b"));
  const quality_meter meter(small_parts(), {"dog"});
  const quality seen = meter.of({"dog", "dog", "dodo", "do g", "", "cat", "cat", "cow"});
  CHECK(seen.padding == Approx(6.0 / 8));
  CHECK(seen.dictionary == Approx(3.0 / 8));
  CHECK(seen.held_out == Approx(1.0 / 8));
  CHECK(seen.distinct == Approx(6.0 / 8));
  CHECK_THROWS_WITH_AS(meter.of({}), doctest::Contains("there are no samples"), dimix::invalid_argument);

  const auto samples = words::tokens_of({"dog", "dodo"});
  CHECK(meter(samples).held_out == 0.5);
}

TEST_CASE("lengths: total variation of the histograms") {
  const quality_meter meter(small_parts(), {"ab", "abc", "abc", "abcd"});  // 2: 1/4, 3: 1/2, 4: 1/4
  CHECK(meter.of({"xy", "xyz", "zyx", "wxyz"}).lengths == Approx(0));
  CHECK(meter.of({"xyz"}).lengths == Approx(0.5));
  CHECK(meter.of({"x"}).lengths == Approx(1));
  CHECK(meter.of({"", "xy"}).lengths == Approx(0.75));
  CHECK(words::total_variation(std::array{1.0, 0.0}, std::array{0.25, 0.75}) == 0.75);
}

TEST_CASE("expected share of different words among draws") {
  CHECK(words::expected_distinct(10, 1) == Approx(1));
  CHECK(words::expected_distinct(2, 2) ==
        Approx(0.75));  // 3 of 4 pairs of draws hold 1.5 words in the mean: (2 * 1/2 + 1 * 1/2) / 2
  CHECK(words::expected_distinct(4, 3) == Approx(4 * (1 - 27.0 / 64) / 3));
  CHECK(words::expected_distinct(35'577, 10'000) == Approx(0.8718).epsilon(1e-4));
}

TEST_CASE("lists that cannot be used are refused with a sentence") {
  const test::temporary_folder folder;
  CHECK(words::load_words(file_with(folder, "cat")).size() == 26);
  const auto refused = [&](const std::string& third, const char* sentence) {
    CHECK_THROWS_WITH_AS(words::load_words(file_with(folder, third)), doctest::Contains(sentence), dimix::file_error);
  };
  refused("", "line 3 has 0 characters, needed are 1 to 8");
  refused("caterpillar", "line 3 has 11 characters");
  refused("Cat", "'Cat' in line 3 is not of the letters a to z");
  refused("c't", "is not of the letters a to z");
  refused("bat", "'bat' in line 3 does not come after 'bat'");
  refused("apt", "'apt' in line 3 does not come after 'bat'");
  CHECK_THROWS_WITH_AS(words::load_words(folder / "none.txt"), doctest::Contains("cannot read"), dimix::file_error);
  dimix::write_whole(folder / "few.txt", std::string("ant\nbat\n"));
  CHECK_THROWS_WITH_AS(words::load_words(folder / "few.txt"), doctest::Contains("2 words are too few"), dimix::file_error);
}

}  // namespace words_tests
