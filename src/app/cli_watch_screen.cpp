// SPDX-License-Identifier: Apache-2.0
// `watch` on a terminal: one screen that is drawn anew when something changed.
#include "cli_watch_screen.hpp"

#include "reachd/app/cli_link.hpp"
#include "reachd/core/watch_screen.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <ctime>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

namespace reachd {
namespace {

constexpr milliseconds report_every{500}; // at most, however much happens
constexpr milliseconds reconnect_every{1000};

// The other screen of the terminal, without echo; put back as it was, however this ends.
class raw_terminal {
public:
    raw_terminal()
    {
        ::tcgetattr(STDIN_FILENO, &before_);
        auto raw = before_;
        raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        ::tcsetattr(STDIN_FILENO, TCSANOW, &raw);
        std::fputs("\x1b[?1049h\x1b[?25l", stdout);
        std::fflush(stdout);
    }
    ~raw_terminal()
    {
        std::fputs("\x1b[?25h\x1b[?1049l", stdout);
        std::fflush(stdout);
        ::tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
    raw_terminal(const raw_terminal&) = delete;
    raw_terminal& operator=(const raw_terminal&) = delete;

private:
    termios before_{};
};

std::string local_clock()
{
    const auto now = std::time(nullptr);
    std::tm parts{};
    ::localtime_r(&now, &parts);
    char text[sizeof "00:00:00"];
    return {text, std::strftime(text, sizeof text, "%H:%M:%S", &parts)};
}

struct terminal_size {
    std::size_t columns = 80;
    std::size_t lines = 24;
};

terminal_size size_now()
{
    winsize said{};
    if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &said) != 0 || said.ws_col == 0 || said.ws_row == 0) {
        return {};
    }
    return {said.ws_col, said.ws_row};
}

class watcher {
public:
    explicit watcher(const cli_common& common) : common_{common}, signals_{open_signals()} {}
    ~watcher() { ::close(signals_); }
    watcher(const watcher&) = delete;
    watcher& operator=(const watcher&) = delete;

    int run();

private:
    static int open_signals()
    {
        sigset_t wanted;
        ::sigemptyset(&wanted);
        for (const int number : {SIGWINCH, SIGINT, SIGTERM, SIGHUP}) {
            ::sigaddset(&wanted, number);
        }
        ::sigprocmask(SIG_BLOCK, &wanted, nullptr);
        return ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
    }
    bool connect(std::string& why);
    void lose(const std::string& why);
    bool fetch();
    void hear();
    void wait();
    void read_keys();
    void read_signals();
    void draw();

    const cli_common& common_;
    int signals_;
    std::optional<control_client> client_;
    watch_screen screen_;
    time_point next_try_{};
    time_point fetched_{};
    bool outdated_ = true; // the report is older than an event
    bool dirty_ = true;
    bool done_ = false;
};

bool watcher::connect(std::string& why)
{
    auto client = connect_control(socket_for(common_, "subscribe"), steady::now() + plugin_wait);
    if (!client) {
        why = sentence_of(client.error());
        return false;
    }
    const auto subscribed = client->call("subscribe", json::object(), steady::now() + usual_wait);
    if (!subscribed) {
        why = sentence_of(subscribed.error());
        return false;
    }
    client_ = std::move(*client);
    outdated_ = true;
    fetched_ = {};
    screen_.set_link("");
    return true;
}

void watcher::lose(const std::string& why)
{
    client_.reset();
    screen_.set_link(why);
    next_try_ = steady::now() + reconnect_every;
    dirty_ = true;
}

bool watcher::fetch()
{
    auto report = client_->call("report", json::object(), steady::now() + usual_wait);
    if (!report) {
        lose(sentence_of(report.error()));
        return false;
    }
    screen_.show(std::move(*report));
    fetched_ = steady::now();
    outdated_ = false;
    dirty_ = true;
    return true;
}

void watcher::hear()
{
    const auto heard = client_->next_notification(steady::now() + usual_wait);
    if (!heard) {
        lose(sentence_of(heard.error()));
        return;
    }
    screen_.note(local_clock(), heard->params);
    outdated_ = true;
    dirty_ = true;
}

void watcher::read_signals()
{
    signalfd_siginfo said{};
    while (::read(signals_, &said, sizeof said) == sizeof said) {
        done_ = done_ || said.ssi_signo != SIGWINCH;
        dirty_ = true;
    }
}

void watcher::read_keys()
{
    char bytes[64];
    const auto count = ::read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) {
        done_ = count == 0 || errno != EAGAIN; // the terminal is gone
        return;
    }
    const std::string_view text{bytes, static_cast<std::size_t>(count)};
    static constexpr std::pair<std::string_view, watch_key> keys[] = {
        {"\x1b[A", watch_key::up},
        {"\x1b[B", watch_key::down},
        {"\x1bOA", watch_key::up},
        {"\x1bOB", watch_key::down},
        {"\x1b[5~", watch_key::page_up},
        {"\x1b[6~", watch_key::page_down},
        {"\x1b[H", watch_key::first},
        {"\x1b[F", watch_key::last},
        {"\x1b[1~", watch_key::first},
        {"\x1b[4~", watch_key::last},
        {"k", watch_key::up},
        {"j", watch_key::down},
        {"g", watch_key::first},
        {"G", watch_key::last},
        {"\n", watch_key::toggle},
        {"\r", watch_key::toggle},
        {" ", watch_key::toggle},
        {"a", watch_key::open_failing},
    };
    for (std::size_t at = 0; at < text.size();) {
        const auto rest = text.substr(at);
        const auto known =
            std::ranges::find_if(keys, [&](const auto& one) { return rest.starts_with(one.first); });
        done_ = done_ || rest[0] == 'q' || rest == "\x1b";
        if (known != std::end(keys)) {
            screen_.press(known->second);
            at += known->first.size();
        } else {
            at += 1;
        }
    }
    dirty_ = true;
}

void watcher::wait()
{
    auto until = steady::now() + std::chrono::hours{1};
    if (!client_) {
        until = next_try_;
    } else if (outdated_) {
        until = fetched_ + report_every;
    }
    const auto left = std::chrono::ceil<milliseconds>(std::max(duration{}, until - steady::now()));
    pollfd watched[] = {
        {STDIN_FILENO, POLLIN, 0}, {signals_, POLLIN, 0}, {client_ ? client_->native_handle() : -1, POLLIN, 0}
    };
    if (client_ && client_->has_notification()) {
        hear();
        return;
    }
    ::poll(watched, std::size(watched), static_cast<int>(left.count()));
    if (watched[1].revents != 0) {
        read_signals();
    }
    if (watched[0].revents != 0) {
        read_keys();
    }
    if (client_ && watched[2].revents != 0) {
        hear();
    }
}

void watcher::draw()
{
    const auto size = size_now();
    auto format = stdout_page(common_.colour);
    format.columns = size.columns;
    std::string out = "\x1b[H";
    const auto lines = screen_.draw(format, size.lines);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        out += lines[i] + "\x1b[K" + (i + 1 < lines.size() ? "\r\n" : "");
    }
    std::fwrite(out.data(), 1, out.size(), stdout);
    std::fflush(stdout);
    dirty_ = false;
}

int watcher::run()
{
    std::string why;
    if (!connect(why)) {
        std::fprintf(stderr, "reachctl: %s\n", why.c_str());
        return exit_unproven;
    }
    const raw_terminal terminal;
    while (!done_) {
        if (!client_ && steady::now() >= next_try_ && !connect(why)) {
            lose(why);
        }
        if (client_ && outdated_ && steady::now() - fetched_ >= report_every) {
            fetch();
        }
        if (dirty_) {
            draw();
        }
        wait();
    }
    return exit_ready;
}

} // namespace

int watch_on_screen(const cli_common& common)
{
    return watcher{common}.run();
}

} // namespace reachd
