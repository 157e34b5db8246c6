// Faces of a photo, from the two exported files alone: OpenCV 4 and ONNX Runtime.
//
// g++ -std=c++17 -O2 faces.cpp -o faces -I/usr/include/opencv4 -IONNXRUNTIME/include
//     -lopencv_core -lopencv_imgproc -lopencv_imgcodecs -LONNXRUNTIME/lib -lonnxruntime
// faces DETECTOR.onnx MODEL.onnx PHOTO    prints box, score and points of each face as JSON, the largest first
//
// Pixels are counted from 0, and the center of a pixel lies at whole numbers. Boxes are cv::Rect2d: left, top, width,
// height.

#include <algorithm>
#include <cmath>
#include <functional>
#include <iostream>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include <onnxruntime_cxx_api.h>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

using Points = std::vector<cv::Point2d>;

// An exported file: its session, and the spec that stands in its metadata.
struct Model {
    Ort::Session session;
    cv::FileStorage spec;
    bool gives_points_of_boxes = false;

    Model(Ort::Env& env, const char* path) : session(env, path, Ort::SessionOptions()) {
        Ort::AllocatorWithDefaultOptions allocator;
        auto text = session.GetModelMetadata().LookupCustomMetadataMapAllocated("efficientfan.spec", allocator);
        if (!text) throw std::runtime_error(std::string(path) + ": is no file of efficientfan");
        const std::string plain = std::regex_replace(text.get(), std::regex("\\bnull\\b"), "0"); // OpenCV knows no null
        spec.open(plain, cv::FileStorage::READ | cv::FileStorage::MEMORY | cv::FileStorage::FORMAT_JSON);
        gives_points_of_boxes = session.GetOutputCount() > 2;
    }

    // The outputs for one (rows, columns) RGB image.
    std::vector<Ort::Value> run(const char* input, cv::Mat image, std::vector<const char*> outputs) {
        const int64_t shape[] = {1, image.rows, image.cols, 3};
        auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
        auto tensor = Ort::Value::CreateTensor<uint8_t>(memory, image.data, image.total() * 3, shape, 4);
        return session.Run(Ort::RunOptions(), &input, &tensor, 1, outputs.data(), outputs.size());
    }
};

// Where a face is cut from: a box, and the degrees by which the face is turned counter-clockwise.
struct Region {
    cv::Rect2d box;
    double roll = 0;
};

struct Face {
    Region region;
    double score;
    Points points; // five from the detector, or none; all of them from the landmark model
};

cv::Point2d middle_of(const cv::Rect2d& box) { return {box.x + box.width / 2, box.y + box.height / 2}; }

cv::Rect2d box_around(cv::Point2d center, double width, double height) {
    return {center.x - width / 2, center.y - height / 2, width, height};
}

cv::Rect2d tight_box(const Points& points) {
    auto [left, right] = std::minmax_element(points.begin(), points.end(), [](auto a, auto b) { return a.x < b.x; });
    auto [top, bottom] = std::minmax_element(points.begin(), points.end(), [](auto a, auto b) { return a.y < b.y; });
    return {left->x, top->y, right->x - left->x, bottom->y - top->y};
}

double iou(const cv::Rect2d& a, const cv::Rect2d& b) {
    return (a & b).area() / (a.area() + b.area() - (a & b).area());
}

double nesting(const cv::Rect2d& a, const cv::Rect2d& b) { return (a & b).area() / std::min(a.area(), b.area()); }

cv::Point2d mean(const Points& points, std::initializer_list<int> which) {
    cv::Point2d sum;
    for (int index : which) sum += points[index];
    return sum / double(which.size());
}

// Degrees by which a face is turned counter-clockwise; 0 up to 15, which a network reads as it is.
double roll_of(cv::Point2d eyes, cv::Point2d mouth) {
    double roll = std::atan2(mouth.x - eyes.x, mouth.y - eyes.y) * 180 / CV_PI;
    return std::abs(roll) > 15 ? roll : 0;
}

// Those that no better one overlaps by more, the best first.
std::vector<Face> strongest(std::vector<Face> faces, std::function<bool(const Face&, const Face&)> same) {
    std::stable_sort(faces.begin(), faces.end(), [](auto& a, auto& b) { return a.score > b.score; });
    std::vector<Face> kept;
    for (const Face& face : faces) {
        if (std::none_of(kept.begin(), kept.end(), [&](auto& other) { return same(face, other); })) {
            kept.push_back(face);
        }
    }
    return kept;
}

// The possible faces, with five points each where the detector gives them.
std::vector<Face> find_boxes(Model& detector, const cv::Mat& photo) {
    const int longest = std::max(photo.rows, photo.cols), multiple = int(detector.spec["multiple"]);
    const double threshold = double(detector.spec["score_threshold"]);
    std::set<int, std::greater<int>> sides;
    for (auto side : detector.spec["long_sides"]) sides.insert(std::min(int(side), longest));
    std::vector<const char*> names = {"boxes", "scores"};
    if (detector.gives_points_of_boxes) names.push_back("points");
    std::vector<Face> found;
    cv::Mat image = photo;
    for (int side : sides) {
        const double factor = double(side) / std::max(image.rows, image.cols); // each copy is made from the one before
        if (factor < 1) {
            cv::Size size(std::max(1, cvRound(image.cols * factor)), std::max(1, cvRound(image.rows * factor)));
            cv::Mat reduced;
            cv::resize(image, reduced, size, 0, 0, cv::INTER_AREA);
            image = reduced;
        }
        const int rows = (multiple - image.rows % multiple) % multiple;
        const int columns = (multiple - image.cols % multiple) % multiple;
        cv::Mat padded;
        cv::copyMakeBorder(image, padded, 0, rows, 0, columns, cv::BORDER_CONSTANT, cv::Scalar::all(128));
        auto outputs = detector.run("images", padded, names);
        auto in_photo = [&](const float* xy) {
            return (cv::Point2d(xy[0], xy[1]) + cv::Point2d(.5, .5)) * longest / side - cv::Point2d(.5, .5);
        };
        const float* boxes = outputs[0].GetTensorData<float>();
        const float* scores = outputs[1].GetTensorData<float>();
        const size_t cells = outputs[1].GetTensorTypeAndShapeInfo().GetElementCount();
        for (size_t cell = 0; cell < cells; cell++) {
            if (scores[cell] < threshold) continue;
            const cv::Point2d low = in_photo(boxes + 4 * cell), high = in_photo(boxes + 4 * cell + 2);
            const bool inside = low.x < photo.cols && low.y < photo.rows && high.x > 0 && high.y > 0;
            if (!inside || high.x - low.x < 1 || high.y - low.y < 1) continue;
            Face face{{{low.x, low.y, high.x - low.x, high.y - low.y}}, scores[cell], {}};
            for (int point = 0; point < 5 && names.size() == 3; point++) {
                face.points.push_back(in_photo(outputs[2].GetTensorData<float>() + 10 * cell + 2 * point));
            }
            found.push_back(face);
        }
    }
    return strongest(found, [](auto& a, auto& b) { return iou(a.region.box, b.region.box) > 0.4; });
}

// The photo's colors in a square crop: bilinear, black outside; averaged over blocks first where it shrinks.
cv::Mat cut(const cv::Mat& photo, cv::Matx23d to_crop, double scale, int size) {
    const double step = std::clamp((1 + 1e-9) / scale, 1.0, double(std::min(photo.rows, photo.cols)));
    const int shrink = 1 << int(std::log2(step));
    cv::Mat whole, reduced, crop;
    const int rows = (shrink - photo.rows % shrink) % shrink, columns = (shrink - photo.cols % shrink) % shrink;
    cv::copyMakeBorder(photo, whole, 0, rows, 0, columns, cv::BORDER_REPLICATE);
    cv::resize(whole, reduced, {whole.cols / shrink, whole.rows / shrink}, 0, 0, cv::INTER_AREA);
    for (int row = 0; row < 2; row++) { // pixel x of the reduced photo is at (x + 0.5) * shrink - 0.5 of the photo
        to_crop(row, 2) += (to_crop(row, 0) + to_crop(row, 1)) * (0.5 * shrink - 0.5);
        to_crop(row, 0) *= shrink;
        to_crop(row, 1) *= shrink;
    }
    cv::warpAffine(reduced, crop, to_crop, {size, size}, cv::INTER_LINEAR);
    return crop;
}

// One pass of the landmark model.
Face find_landmarks(Model& model, const cv::Mat& photo, const Region& region) {
    const int size = int(model.spec["input_size"]);
    const double side = std::max(region.box.width, region.box.height) * (1 + double(model.spec["crop_margin"]));
    const double scale = size / side, middle = (size - 1) / 2.0, angle = region.roll * CV_PI / 180;
    const cv::Matx22d turn(scale * cos(angle), -scale * sin(angle), scale * sin(angle), scale * cos(angle));
    const cv::Vec2d center(middle_of(region.box)), offset = cv::Vec2d(middle, middle) - turn * center;
    cv::Mat crop = cut(photo, {turn(0, 0), turn(0, 1), offset[0], turn(1, 0), turn(1, 1), offset[1]}, scale, size);
    auto outputs = model.run("crops", crop, {"points", "scores"});
    const float* xy = outputs[0].GetTensorData<float>();
    const float* scores = outputs[1].GetTensorData<float>();
    const size_t count = outputs[1].GetTensorTypeAndShapeInfo().GetElementCount();
    Face face{region, 0, {}};
    for (size_t index = 0; index < count; index++) {
        const cv::Vec2d place = turn.inv() * (cv::Vec2d(xy[2 * index], xy[2 * index + 1]) - offset);
        face.points.emplace_back(place[0], place[1]);
        face.score += scores[index] / count;
    }
    return face;
}

// The box around the 68 landmarks as it would be if the face was upright, and the roll.
Region region_of(const Points& points) {
    const cv::Point2d eyes = (mean(points, {36, 37, 38, 39, 40, 41}) + mean(points, {42, 43, 44, 45, 46, 47})) / 2;
    const double roll = roll_of(eyes, mean(points, {48, 54})), angle = roll * CV_PI / 180;
    const cv::Matx22d turn(cos(angle), -sin(angle), sin(angle), cos(angle)); // the photo's axes to upright ones
    Points upright;
    for (const cv::Point2d& point : points) upright.push_back(turn * point);
    const cv::Rect2d box = tight_box(upright);
    return {box_around(turn.t() * middle_of(box), box.width, box.height), roll};
}

std::vector<Face> find_faces(Model& detector, Model& model, const cv::Mat& photo) {
    std::vector<Face> faces;
    for (const Face& proposal : find_boxes(detector, photo)) {
        Region region = proposal.region;
        const Points& five = proposal.points;
        if (!five.empty()) region.roll = roll_of(mean(five, {0, 1}), mean(five, {3, 4}));
        if (region.roll != 0) { // the box of a turned face says little of its sides
            const double side = (region.box.width + region.box.height) / 2;
            region.box = box_around(middle_of(region.box), side, side);
        }
        Face face = find_landmarks(model, photo, region);
        const Region better = region_of(face.points);
        const double turn = std::abs(std::remainder(region.roll - better.roll, 360));
        const double overlap = iou(region.box, better.box);
        if (overlap >= 0.2 && (overlap < 0.8 || turn > 12)) { // below 0.2 the points have left the face
            face = find_landmarks(model, photo, better);
        }
        if (face.score >= double(model.spec["score_threshold"])) faces.push_back(face);
    }
    faces = strongest(faces, [](auto& a, auto& b) {
        const cv::Rect2d one = tight_box(a.points), other = tight_box(b.points);
        return iou(one, other) > 0.5 || nesting(one, other) > 0.7;
    });
    std::stable_sort(faces.begin(), faces.end(), [](auto& a, auto& b) {
        return tight_box(a.points).area() > tight_box(b.points).area();
    });
    return faces;
}

int main(int count, char** arguments) {
    if (count != 4) {
        std::cerr << "usage: faces DETECTOR.onnx MODEL.onnx PHOTO\n";
        return 2;
    }
    Ort::Env env(ORT_LOGGING_LEVEL_ERROR);
    Model detector(env, arguments[1]), model(env, arguments[2]);
    cv::Mat photo = cv::imread(arguments[3]); // turned as EXIF says, blue first
    if (photo.empty()) {
        std::cerr << arguments[3] << ": cannot be read\n";
        return 2;
    }
    cv::cvtColor(photo, photo, cv::COLOR_BGR2RGB);
    const char* separator = "[";
    for (const Face& face : find_faces(detector, model, photo)) {
        const cv::Rect2d& box = face.region.box;
        std::cout << separator << "{\"box\": [" << box.x << ", " << box.y << ", " << box.br().x << ", " << box.br().y
                  << "], \"score\": " << face.score << ", \"points\": [";
        for (size_t index = 0; index < face.points.size(); index++) {
            std::cout << (index ? ", [" : "[") << face.points[index].x << ", " << face.points[index].y << "]";
        }
        std::cout << "]}";
        separator = ", ";
    }
    std::cout << (*separator == '[' ? "[]" : "]") << "\n";
}
