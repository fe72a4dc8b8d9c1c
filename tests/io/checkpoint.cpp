// Laws of checkpoint.hpp: every bit comes back, damage is noticed, and a refused load or save changes nothing.
#include <dimix/io/checkpoint.hpp>
#include <dimix/nn/parameters.hpp>

#include "io/files.hpp"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using dimix::checkpoint_block;
using dimix::file_error;
using dimix::load_checkpoint;
using dimix::save_checkpoint;
using dimix::tensor_source;
using doctest::Contains;

namespace {

/// Two blocks in memory, of both widths.
struct network {
  std::vector<float> w = {1, 2, 3, 4, 5, 6};
  std::vector<double> b = {0.1, -0.2};

  std::vector<tensor_source> sources() const {
    std::vector<tensor_source> blocks;
    dimix::collect(blocks, "net.")("w", std::vector<dimix::index_t>{2, 3}, dimix::view<const float, 1>(w.data(), 6));
    dimix::collect(blocks, "net.")("b", std::vector<dimix::index_t>{2}, dimix::view<const double, 1>(b.data(), 2));
    return blocks;
  }
  std::vector<checkpoint_block> targets() {
    std::vector<checkpoint_block> blocks;
    dimix::collect(blocks, "net.")("w", std::vector<dimix::index_t>{2, 3}, dimix::view<float, 1>(w.data(), 6));
    dimix::collect(blocks, "net.")("b", std::vector<dimix::index_t>{2}, dimix::view<double, 1>(b.data(), 2));
    return blocks;
  }
  friend bool operator==(const network&, const network&) = default;
};

network blank() { return {.w = std::vector<float>(6, -1), .b = std::vector<double>(2, -1)}; }

/// The load is refused with this reason, and the network is as it was.
void refused(const std::string& path, const std::vector<checkpoint_block>& blocks, network& net, const char* reason,
             const dimix::checkpoint_metadata& expected = {}) {
  const network before = net;
  CHECK_THROWS_WITH_AS(load_checkpoint(path, blocks, expected), Contains(reason), file_error);
  CHECK(net == before);
}

}  // namespace

TEST_CASE("blocks and words come back") {
  const test::temporary_folder folder;
  const network net;
  save_checkpoint(folder / "c", net.sources(), {{"components", "64"}, {"step", "12"}});
  network other = blank();
  const dimix::checkpoint_metadata words = load_checkpoint(folder / "c", other.targets(), {{"components", "64"}});
  CHECK(other == net);
  CHECK(words == dimix::checkpoint_metadata{{"components", "64"}, {"step", "12"}});

  // in two steps: a look at the words first
  network third = blank();
  const dimix::safetensors_file file = dimix::open_checkpoint(folder / "c");
  CHECK(file.metadata().at("step") == "12");
  load_checkpoint(file, third.targets());
  CHECK(third == net);
}

TEST_CASE("the parameters of a network are collected with their names and shapes") {
  const test::temporary_folder folder;
  dimix::nn::parameters<float> mine, theirs;
  for (auto* store : {&mine, &theirs}) {
    store->add("w", {3, 5});
    store->add("b", {5});
  }
  mine.draw_normal(0, dimix::rng{3});
  mine.fill(1, 0.5f);
  std::vector<tensor_source> sources;
  const auto& constant = mine;
  constant.for_each_block(dimix::collect(sources, "student."));
  CHECK(sources[0].name == "student.w");
  CHECK(sources[0].shape == std::vector<dimix::index_t>{3, 5});
  save_checkpoint(folder / "c", sources);
  std::vector<checkpoint_block> targets;
  theirs.for_each_block(dimix::collect(targets, "student."));
  load_checkpoint(folder / "c", targets);
  CHECK(std::equal(theirs.values().begin(), theirs.values().end(), mine.values().begin()));
  CHECK(theirs.values(0)(7) != 0);
}

TEST_CASE("a checkpoint that does not fit this run is refused with a sentence, and nothing changes") {
  const test::temporary_folder folder;
  save_checkpoint(folder / "c", network().sources(), {{"components", "64"}});
  network net = blank();
  refused(folder / "none", net.targets(), net, "No such file");
  refused(folder / "c", net.targets(), net, "it was made with components = 64, and this run has components = 32",
          {{"components", "32"}});
  refused(folder / "c", net.targets(), net, "it does not say its levels, and this run has levels = 17", {{"levels", "17"}});

  std::vector<checkpoint_block> blocks = net.targets();
  blocks[0].shape = {3, 2};
  refused(folder / "c", blocks, net, "block 'net.w' has shape (2, 3) where (3, 2) is needed");
  blocks = net.targets();
  blocks[1].name = "net.c";
  refused(folder / "c", blocks, net, "the block 'net.c' is missing");
  blocks = net.targets();
  blocks.pop_back();
  refused(folder / "c", blocks, net, "it has a block 'net.b' that this run lacks");
  blocks = net.targets();
  blocks[1].type = dimix::dtype::i64;
  refused(folder / "c", blocks, net, "block 'net.b' holds F64 where I64 is needed");
  blocks = net.targets();
  blocks.push_back(blocks[0]);
  CHECK_THROWS_WITH_AS(load_checkpoint(folder / "c", blocks), Contains("two blocks named 'net.w'"), dimix::invalid_argument);
}

TEST_CASE("foreign files are refused") {
  const test::temporary_folder folder;
  network net = blank();
  dimix::write_whole(folder / "text", "not a checkpoint at all");
  refused(folder / "text", net.targets(), net, "it is not a safetensors file");
  dimix::write_safetensors(folder / "plain", net.sources());
  refused(folder / "plain", net.targets(), net, "it is a safetensors file but no checkpoint of dimix");
  dimix::write_safetensors(folder / "new", net.sources(), {{"format", "dimix-checkpoint"}, {"format_version", "2"}});
  refused(folder / "new", net.targets(), net, "its format version is '2', and this program reads version 1");
  dimix::write_safetensors(folder / "bare", net.sources(), {{"format", "dimix-checkpoint"}, {"format_version", "1"}});
  refused(folder / "bare", net.targets(), net, "it is damaged (its digest does not fit its content)");
}

TEST_CASE("a training that diverged does not overwrite the last good checkpoint") {
  const test::temporary_folder folder;
  network net;
  save_checkpoint(folder / "c", net.sources());
  const test::bytes good = dimix::read_whole(folder / "c");
  net.b[1] = std::numeric_limits<double>::quiet_NaN();
  CHECK_THROWS_WITH_AS(save_checkpoint(folder / "c", net.sources()),
                       Contains("block 'net.b' holds a number that is not finite"), dimix::numeric_error);
  net.b[1] = 0;
  net.w[5] = std::numeric_limits<float>::infinity();
  CHECK_THROWS_AS(save_checkpoint(folder / "c", net.sources()), dimix::numeric_error);
  CHECK_THROWS_WITH_AS(save_checkpoint(folder / "c", {}, {{"digest", "1"}}), Contains("'digest' belongs to the format"),
                       dimix::invalid_argument);
  CHECK(dimix::read_whole(folder / "c") == good);
  CHECK(folder.count() == 1);
}

TEST_CASE("numbers that are not finite are refused when they come from a file, too") {
  const test::temporary_folder folder;
  network net;
  std::vector<tensor_source> blocks = net.sources();
  std::map<std::string, tensor_source> sorted;
  net.w[2] = std::numeric_limits<float>::quiet_NaN();
  for (const tensor_source& block : blocks) sorted.emplace(block.name, block);
  dimix::checkpoint_metadata words = {{"format", "dimix-checkpoint"}, {"format_version", "1"}};
  words["digest"] = dimix::detail::digest_of(words, sorted);
  dimix::write_safetensors(folder / "c", blocks, words);
  network other = blank();
  refused(folder / "c", other.targets(), other, "block 'net.w' holds a number that is not finite");
}

TEST_CASE("every truncation and every damaged byte is refused or harmless") {
  const test::temporary_folder folder;
  const network net;
  save_checkpoint(folder / "c", net.sources(), {{"components", "64"}});
  const test::bytes whole = dimix::read_whole(folder / "c");
  const auto survives = [&](test::bytes bytes) {
    network other = blank();
    const bool loaded = test::accepted([&] {
      dimix::write_whole(folder / "d", bytes);
      const dimix::checkpoint_metadata words = load_checkpoint(folder / "d", other.targets());
      CHECK(words == dimix::checkpoint_metadata{{"components", "64"}});
    });
    CHECK(other == (loaded ? net : blank()));
    return loaded;
  };
  CHECK(survives(whole));
  test::every_truncation(whole, [&](const test::bytes& cut) { CHECK_FALSE(survives(cut)); });
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int bit : {0, 3, 7}) {
      test::bytes damaged = whole;
      damaged[i] ^= static_cast<std::byte>(1 << bit);
      survives(damaged);
    }
}
