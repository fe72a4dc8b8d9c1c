// A progress bar for long loops, on stderr:
//
//   teacher [###########---------] 55%  loss 0.8123  412 it/s  0:41 left
//
// On a terminal one line that is drawn again at most ten times a second; elsewhere (a log, a pipe) a line for every ten per cent.
// update() costs a look at the clock and allocates nothing.
#pragma once

#include <dimix/core/view.hpp>

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <limits>
#include <string>
#include <utility>

namespace support {

struct progress_options {
  std::string label{};
  dimix::index_t total = 0;  // iterations of the whole loop
  dimix::index_t first = 0;  // where a resumed loop starts: what was done before does not count as speed
  std::FILE* out = stderr;
};

class progress {
 public:
  explicit progress(progress_options options)
      : options_(std::move(options)), terminal_(::isatty(::fileno(options_.out)) == 1), start_(clock::now()) {
    next_percent_ = terminal_ ? 0 : percent(options_.first) / 10 * 10 + 10;
  }
  ~progress() {
    if (open_line_) std::fputc('\n', options_.out);
  }
  progress(const progress&) = delete;
  progress& operator=(const progress&) = delete;

  /// `done` of `total` iterations are over. A loss that is not a number is not shown.
  void update(dimix::index_t done, double loss = std::numeric_limits<double>::quiet_NaN()) {
    const bool last = done >= options_.total;
    const clock::time_point now = clock::now();
    if (terminal_ ? !last && drawn_ && now - last_drawn_ < std::chrono::milliseconds(100)
                  : !last && percent(done) < next_percent_)
      return;
    if (last && finished_) return;
    finished_ = last;
    drawn_ = true;
    last_drawn_ = now;
    next_percent_ = percent(done) / 10 * 10 + 10;
    draw(done, loss, std::chrono::duration<double>(now - start_).count());
  }

 private:
  using clock = std::chrono::steady_clock;

  int percent(dimix::index_t done) const {
    if (options_.total <= 0) return 100;
    return static_cast<int>(std::clamp(100.0 * static_cast<double>(done) / static_cast<double>(options_.total), 0.0, 100.0));
  }

  void draw(dimix::index_t done, double loss, double seconds) {
    char bar[23] = "[--------------------]";
    std::fill_n(bar + 1, percent(done) / 5, '#');
    char shown_loss[32] = "";
    if (std::isfinite(loss)) std::snprintf(shown_loss, sizeof shown_loss, "  loss %.4g", loss);
    const double rate = seconds > 0 ? static_cast<double>(done - options_.first) / seconds : 0;
    char shown_time[48] = "";
    if (finished_) {
      show_time(shown_time, sizeof shown_time, seconds, "in all");
    } else if (rate > 0) {
      show_time(shown_time, sizeof shown_time, static_cast<double>(options_.total - done) / rate, "left");
    }
    std::fprintf(options_.out, "%s%s %s %3d%%%s  %.*f it/s%s%s", terminal_ ? "\r" : "", options_.label.c_str(), bar,
                 percent(done), shown_loss, rate < 10 ? 2 : 0, rate, shown_time, terminal_ ? "\x1b[K" : "\n");
    open_line_ = terminal_ && !finished_;
    if (terminal_ && finished_) std::fputc('\n', options_.out);
    std::fflush(options_.out);
  }

  static void show_time(char* text, std::size_t size, double seconds, const char* what) {
    const long whole = std::lround(std::min(seconds, 3.6e6));
    if (whole >= 3600) {
      std::snprintf(text, size, "  %ld:%02ld:%02ld %s", whole / 3600, whole / 60 % 60, whole % 60, what);
    } else {
      std::snprintf(text, size, "  %ld:%02ld %s", whole / 60, whole % 60, what);
    }
  }

  progress_options options_;
  bool terminal_ = false, drawn_ = false, finished_ = false, open_line_ = false;
  int next_percent_ = 0;
  clock::time_point start_, last_drawn_{};
};

}  // namespace support
