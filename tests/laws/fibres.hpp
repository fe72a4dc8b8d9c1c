// A device of one CPU thread: the members of a team (backend/cuda/team_group.hpp) are fibres that run from barrier to barrier, in another order
// every time, so that a body that forgets to wait for what others write is caught. Bodies that do not meet at the same barriers are, too.
// emulated<Who> is a backend over them. Like a device it queues, and its memory is shut except while rows run or something is fetched: a host
// loop that looks into it dies.
#pragma once

#include <dimix/backend.hpp>
#include <dimix/backend/cuda/team_group.hpp>

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <cstring>
#include <functional>
#include <memory>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "laws/support.hpp"

namespace laws {

/// ThreadSanitizer takes fibres for one thread that jumps about.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool fibres_are_watched = true;
#else
inline constexpr bool fibres_are_watched = false;
#endif

/// warps x 32 members in each of `blocks` blocks.
class crew {
 public:
  crew(int warps, int blocks) : warps_(warps), blocks_(blocks), members_(static_cast<std::size_t>(warps * blocks * 32)) {}

  int warps() const { return warps_; }
  int blocks() const { return blocks_; }

  /// work(member) by all of them. False where they did not meet at the same barriers.
  template <class Work>
  bool run(const Work& work) {
    work_ = [&work](int me) { work(me); };
    for (std::size_t i = 0; i < members_.size(); ++i) start(i);
    std::vector<std::size_t> order(members_.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    for (std::uint64_t round = 0;; ++round) {
      for (std::size_t i = order.size() - 1; i > 0; --i)
        std::swap(order[i],
                  order[static_cast<std::size_t>(uniform_number(round, static_cast<index_t>(i)) * static_cast<double>(i + 1))]);
      for (std::size_t i : order) {
        running_ = i;
        if (!members_[i].done) swapcontext(&scheduler_, &members_[i].context);
      }
      for (const member& each : members_)
        if (each.done != members_[0].done || each.barrier != members_[0].barrier) return false;
      if (members_[0].done) return true;
    }
  }

  /// Until all have come as far. What: which barrier it is.
  void wait(int what) {
    member& me = members_[running_];
    me.barrier = what;
    swapcontext(&me.context, &scheduler_);
  }

  template <class T>
  T exchange(int me, const T& x, int mask) {
    std::memcpy(members_[static_cast<std::size_t>(me)].shown, &x, sizeof(T));
    wait(1);
    T other;
    std::memcpy(&other, members_[static_cast<std::size_t>(me ^ mask)].shown, sizeof(T));
    wait(2);
    return other;
  }
  void* slot(int block, int i) { return slots_[block][i].bytes; }

 private:
  struct alignas(16) sixteen_bytes {
    unsigned char bytes[16];
  };
  struct member {
    ucontext_t context;
    std::vector<char> stack = std::vector<char>(sanitized ? 1 << 18 : 1 << 16);
    alignas(16) unsigned char shown[16];
    int barrier = 0;
    bool done = false;
  };

  void start(std::size_t i) {
    member& each = members_[i];
    each.done = false, each.barrier = 0;
    getcontext(&each.context);
    each.context.uc_stack.ss_sp = each.stack.data();
    each.context.uc_stack.ss_size = each.stack.size();
    each.context.uc_link = &scheduler_;
    const auto address = reinterpret_cast<std::uintptr_t>(this);
    makecontext(&each.context, reinterpret_cast<void (*)()>(&enter), 2, static_cast<unsigned>(address >> 32),
                static_cast<unsigned>(address));
  }
  static void enter(unsigned high, unsigned low) {
    crew& all = *reinterpret_cast<crew*>(static_cast<std::uintptr_t>(high) << 32 | low);
    const std::size_t me = all.running_;
    all.work_(static_cast<int>(me));
    all.members_[me].done = true;
  }

  int warps_, blocks_;
  std::vector<member> members_;
  sixteen_bytes slots_[32][32];
  std::function<void(int)> work_;
  ucontext_t scheduler_;
  std::size_t running_ = 0;
};

/// The hands of one fibre.
struct fibre_threads {
  crew* all;
  int member;

  int lane() const { return member % 32; }
  int warp() const { return member / 32 % all->warps(); }
  int warps() const { return all->warps(); }
  int block() const { return member / 32 / all->warps(); }
  int blocks() const { return all->blocks(); }
  template <class T>
  T exchange(const T& x, int mask) const {
    return all->exchange(member, x, mask);
  }
  template <class T>
  T& slot(int block, int i) const {
    return *static_cast<T*>(all->slot(block, i));
  }
  void sync_warp() const { all->wait(3); }
  void sync_block() const { all->wait(4); }
  void sync_cluster() const { all->wait(5); }
};

/// Pages that are shut until somebody opens them.
class guarded_memory final : public std::pmr::memory_resource {
 public:
  guarded_memory() : base_(static_cast<char*>(mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))) {}
  ~guarded_memory() override { munmap(base_, size); }

  template <class F>
  void open(const F& f) {
    mprotect(base_, (used_ + page - 1) / page * page, PROT_READ | PROT_WRITE);
    f();
    mprotect(base_, (used_ + page - 1) / page * page, PROT_NONE);
  }
  /// Blocks that were asked for so far.
  index_t allocations() const { return allocations_; }

 private:
  static constexpr std::size_t size = std::size_t{1} << 28, page = 4096;

  void* do_allocate(std::size_t bytes, std::size_t) override {
    void* block = base_ + used_;
    used_ += (bytes + 255) / 256 * 256;
    ++allocations_;
    dimix::expects(used_ <= size, "guarded_memory: full");
    return block;
  }
  void do_deallocate(void*, std::size_t, std::size_t) override {}
  bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override { return this == &other; }

  char* base_;
  std::size_t used_ = 0;
  index_t allocations_ = 0;
};

template <dimix::team Who>
class emulated {
 public:
  using space = dimix::device_space;
  static constexpr bool asynchronous = true;

  /// The memory may be shared with other teams.
  explicit emulated(std::shared_ptr<guarded_memory> memory = std::make_shared<guarded_memory>()) : memory_(std::move(memory)) {}

  template <class Real, class Body>
  void sweep(index_t rows, index_t tile, const Body& body, index_t = 0) const {
    static_assert(std::is_trivially_copyable_v<Body>);
    ++*sweeps_;
    crew all(Who == dimix::team::warp ? 1 : 2, Who == dimix::team::cluster ? 2 : 1);
    std::vector<Real> scratch(static_cast<std::size_t>(tile), std::numeric_limits<Real>::quiet_NaN());
    memory_->open([&] {
      CHECK(all.run([&](int member) {
        const dimix::team_group<Who, fibre_threads, Real> group{{&all, member}};
        for (index_t row = 0; row < rows; ++row) {
          body(group, view<Real, 1>(scratch.data(), tile), row);
          group.sync();
        }
      }));
    });
  }
  template <class T, int Rank, class Space>
  void fetch(const view<T, Rank, Space>& from, const view<std::remove_const_t<T>, Rank>& to) const {
    memory_->open([&] { std::copy(from.begin(), from.end(), to.begin()); });
  }
  template <class T, int Rank, class Space>
  void send(const view<T, Rank>& from, const view<std::remove_const_t<T>, Rank, Space>& to) const {
    memory_->open([&] { std::copy(from.begin(), from.end(), to.begin()); });
  }
  std::pmr::memory_resource* memory() const { return memory_.get(); }

  /// A copy on the device.
  template <class T, int Rank>
  array<T, Rank, space> sent(const array<T, Rank>& from) const {
    array<T, Rank, space> there(memory_.get());
    there.resize_like(from);
    send(from.whole(), there.whole());
    return there;
  }
  /// A copy on the host.
  template <class T, int Rank>
  array<T, Rank> fetched(const array<T, Rank, space>& from) const {
    array<T, Rank> here;
    [&]<std::size_t... Axis>(std::index_sequence<Axis...>) { here.resize(from.extent(static_cast<int>(Axis))...); }
    (std::make_index_sequence<static_cast<std::size_t>(Rank)>{});
    fetch(from.whole(), here.whole());
    return here;
  }

  index_t sweeps() const { return *sweeps_; }
  index_t allocations() const { return memory_->allocations(); }

 private:
  std::shared_ptr<guarded_memory> memory_;
  std::shared_ptr<index_t> sweeps_ = std::make_shared<index_t>(0);
};

static_assert(dimix::backend<emulated<dimix::team::block>>);

/// f(backend) for a warp, a block and a cluster.
template <class F>
void for_each_team(const F& f) {
  SUBCASE("a warp") { f(emulated<dimix::team::warp>()); }
  SUBCASE("a block") { f(emulated<dimix::team::block>()); }
  SUBCASE("a cluster") { f(emulated<dimix::team::cluster>()); }
}

}  // namespace laws
