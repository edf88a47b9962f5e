#include "report/training_curves.h"

#include <cmath>
#include <iostream>
#include <sstream>

#include "catch.h"
#include "report/lesson.h"
#include "temp_dir.h"

using namespace handgrad;

TEST_CASE("TrainingCurves draws losses and accuracies") {
    TrainingCurves curves{.title = "a run"};
    curves.add(0, {0.75, 0.5}, {0.875, 0.25});
    curves.add(10, {0.125, 1}, {0.625, 0.375});
    CHECK(curves.last_train().loss == 0.125);
    CHECK(curves.last_val().accuracy == 0.375);
    const std::string script = Drawing(curves).script;
    std::size_t at = 0;  // training before validation, losses before accuracies
    for (const char* points :
         {"0 0.75\n10 0.125", "0 0.875\n10 0.625", "0 0.5\n10 1", "0 0.25\n10 0.375"}) {
        const std::size_t found = script.find(points, at);
        REQUIRE(found != std::string::npos);
        at = found;
    }
}

TEST_CASE("compared draws each run's losses, then the accuracies in validation") {
    TrainingCurves first{.title = "run one"}, second{.title = "run two"};
    first.add(3, {0.75, 0.5}, {0.875, 0.25});
    first.add(4, {0.5, 0.5}, {0.625, 0.125});
    second.add(5, {0.375, 0.5}, {0.0625, 0.75});
    second.add(6, {0.25, 0.5}, {0.03125, 1});
    const std::string script = compared({first, second}).script;
    std::size_t at = 0;
    for (const char* points : {"3 0.75\n4 0.5", "3 0.875\n4 0.625", "5 0.375\n6 0.25",
                               "5 0.0625\n6 0.03125", "3 0.25\n4 0.125", "5 0.75\n6 1"}) {
        const std::size_t found = script.find(points, at);
        REQUIRE(found != std::string::npos);
        at = found;
    }
    CHECK(script.find("run one") < script.find("run two"));
}

TEST_CASE("check_reached wants accuracies within a point and losses within the tolerance") {
    const TempDir dir;
    const std::string out = dir.path().string();
    TrainingCurves curves;
    curves.add(1, {0.5, 0.75}, {0.25, 0.875});
    bool compared_with_one = false;
    const auto exit_code = [&](const LossAndAccuracy& train, const LossAndAccuracy& val,
                               const char* seed = "42", bool stand_in = true) {
        const char* arguments[] = {"lesson", "--out", out.c_str(), "--seed", seed};
        std::ostringstream printed;
        std::streambuf* const terminal = std::cout.rdbuf(printed.rdbuf());
        const int code = run_lesson(
            5, const_cast<char**>(arguments), {.name = "a", .title = "a"}, [&](Lesson& lesson) {
                compared_with_one = check_reached(
                    lesson, curves, stand_in,
                    {{false, 1, {9, 0}, {9, 0}}, {true, 7, {9, 0}, {9, 0}}, {true, 1, train, val}},
                    0.01);
            });
        std::cout.rdbuf(terminal);
        return code;
    };
    CHECK(exit_code({0.5, 0.75}, {0.25, 0.875}) == 0);
    CHECK(exit_code({0.505, 0.745}, {0.245, 0.88}) == 0);
    CHECK(exit_code({0.52, 0.75}, {0.25, 0.875}) == 1);
    CHECK(exit_code({0.5, 0.765}, {0.25, 0.875}) == 1);
    CHECK(exit_code({0.5, 0.75}, {0.27, 0.875}) == 1);
    CHECK(exit_code({0.5, 0.75}, {0.25, 0.86}) == 1);
    CHECK(compared_with_one);
    CHECK(exit_code({0.5, 0.75}, {0.25, 0.875}, "42", false) == 1);  // the other data
    CHECK(exit_code({9, 0}, {9, 0}, "43") == 0);                     // another start
    CHECK_FALSE(compared_with_one);
    curves.epoch.back() = 2;  // other epochs
    CHECK(exit_code({9, 0}, {9, 0}) == 0);
    CHECK_FALSE(compared_with_one);
    curves.epoch.back() = 1;
    curves.val_loss.back() = std::nan("");
    CHECK(exit_code({0.5, 0.75}, {0.25, 0.875}) == 1);
}
