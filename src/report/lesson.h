// The frame of a lesson program: its flags, its voice on the terminal, its results and its report.
//
//     int main(int argc, char** argv) {
//         double lr = 0.1;
//         const LessonInfo info{.name = "10_training_loop",
//                               .title = "The training loop",
//                               .summary = "A classifier of digits, step by step.",
//                               .epochs = 20,
//                               .quick_epochs = 2,
//                               .flags = {{"--lr", "learning rate", &lr}}};
//         return run_lesson(argc, argv, info, [&](Lesson& lesson) {
//             lesson.section("The data");
//             lesson.say("MNIST has " + std::to_string(n) + " images.");
//             lesson.result("images", n);
//             lesson.check("the loss falls", last < first, format("%.3f to %.3f", first, last));
//         });
//     }
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "core/device.h"
#include "core/text.h"

namespace handgrad {

struct Drawing;
struct Plot;

/// A flag of one lesson alone. Its target holds the default, and must outlive run_lesson.
/// A bool is a switch: it becomes true where the flag is given.
struct LessonFlag {
    std::string name;  // "--lr"
    std::string help;
    std::variant<double*, int*, bool*, std::string*> target;
};

struct LessonInfo {
    std::string name = {};       // "10_training_loop": also the folder of its results
    std::string title = {};      // "The training loop"
    std::string summary = {};    // a sentence or two, for --help and the head of the report
    int epochs = 1;              // unless --epochs says otherwise
    int quick_epochs = 1;        // the same under --quick
    int tiny_epochs = 0;         // the same for a tiny run; 0: as many as a quick one
    std::string data = {};       // unless --data says otherwise
    std::string data_help = {};  // what --data may be; a lesson without has no such flag
    std::vector<LessonFlag> flags = {};
    bool any_device = false;     // does it put its tensors on --device? Else that must be cpu
    bool any_precision = false;  // has it a flag --precision, for its products of floats?
};

/// What the flags said.
struct LessonOptions {
    std::string data;  // --data
    Device device = Device::cpu;
    int epochs = 1;
    std::uint64_t seed = 42;
    int threads = 1;  // as many as the kernels will use
    bool quick = false;
    /// Quick, and on the emulated device, which is some thousand times slower: as little as shows
    /// that everything works. The data are the embedded ones then, unless --data says otherwise.
    bool tiny = false;
    std::filesystem::path out;  // --out with the lesson's name: "out/10_training_loop"
};

/// What results.json can hold under a name. A number that is not finite, which JSON has no word
/// for, becomes the string "NaN", "Infinity" or "-Infinity".
using ResultValue = std::variant<bool, Index, double, std::string, std::vector<double>,
                                 std::vector<std::string>, std::map<std::string, double>>;

/// Tells the story: everything said is printed and goes into report.html as well.
class Lesson {
  public:
    ~Lesson();

    [[nodiscard]] const LessonOptions& options() const { return options_; }
    /// A file in the lesson's folder.
    [[nodiscard]] std::filesystem::path path(const std::string& file) const {
        return options_.out / file;
    }

    void section(const std::string& title);
    /// A paragraph.
    void say(const std::string& text);
    /// A line of a log, such as an epoch's losses; lines that follow one another stand together.
    void line(const std::string& text);
    /// Lines to be kept as they are: code, a model's summary.
    void pre(const std::string& text);
    /// Throws Error where a row has more cells than the header.
    void table(const Row& header, const std::vector<Row>& rows);
    /// A picture that has been written to path(file). Throws Error where there is none.
    void figure(const std::string& file, const std::string& caption);
    /// Draws a plot of any kind (Plot, Panels, HeatMap, ...) to path(file), a .png, and shows it.
    /// The same lies beside it as .svg, and in the report in its narrow form, too. (Photographs are
    /// PNG alone.) Where gnuplot cannot, the report does without, and the end of the lesson says
    /// so.
    void figure(const std::string& file, const std::string& caption, const Drawing& drawing);
    void figure(const std::string& file, const std::string& caption, const Plot& plot);
    /// Draws frames one after another to path(name) with .gif after it, or as a strip of some of
    /// them with .png (see animate), and shows it.
    void animation(const std::string& name, const std::string& caption,
                   const std::vector<Drawing>& frames, double frame_seconds = 0.15);

    /// Keeps a figure for results.json. Throws Error where the name is taken.
    void result(const std::string& name, ResultValue value);
    /// Prints PASS or FAIL and keeps it for results.json, under "checks". One that fails makes the
    /// program exit with 1. Write a comparison so that NaN fails it. Returns `ok`.
    bool check(const std::string& name, bool ok, const std::string& detail = {});

  private:
    void show(const std::string& file, const std::string& caption, bool plot,
              const std::string& narrow = {});
    friend int run_lesson(int argc, char** argv, const LessonInfo& info,
                          const std::function<void(Lesson&)>& story);
    Lesson(const LessonInfo& info, LessonOptions options);
    /// Writes results.json and report.html. True if every check passed.
    bool finish();

    struct State;
    LessonOptions options_;
    std::unique_ptr<State> state_;
};

/// Reads the flags, makes the folder of the results, runs the story and writes what it told.
/// Returns the program's exit code: 0; 1 where a check failed or the story threw, its message on
/// stderr; 2 where a flag is wrong, or the device or the precision is not there.
///
/// results.json holds "lesson", "title", "summary", "seed", "device", "threads", "quick", "epochs",
/// "data", "precision" where the lesson has that flag, then the story's results in the order in
/// which they came, then "figures", the names of the pictures shown, and "checks": a list of
/// {"name", "passed", "detail"}. The frame adds no times: a story that gives no speed writes equal
/// files in equal runs. Those of an earlier run are removed first.
int run_lesson(int argc, char** argv, const LessonInfo& info,
               const std::function<void(Lesson&)>& story);

}  // namespace handgrad
