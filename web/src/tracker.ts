/** Faces from frame to frame: crops come from the last landmarks, and the detector looks now and then. */

import type { FaceFinder } from "./detector";
import { boxOfPoints, iou } from "./geometry";
import { PhotoPyramid, type Photo } from "./imaging";
import { sameFace, scoreOf, type Face, type Landmarks } from "./landmarks";

/** Frames from one search to the next while every face is followed. */
const DETECT_EVERY = 10;

/** Landmarks whose box overlaps that of the last frame by less have jumped. */
const JUMP_IOU = 0.3;

/** A face that the detector has not seen in so many searches in a row is given up. */
const UNCONFIRMED = 3;

interface Track {
  face: Face;
  unconfirmed: number;
}

export class FaceTracker {
  private tracks: Track[] = [];
  private sinceSearch = DETECT_EVERY;

  constructor(
    private readonly finder: FaceFinder,
    private readonly landmarks: Landmarks,
  ) {}

  /** The faces of the next frame. */
  async update(frame: Photo): Promise<Face[]> {
    const pyramid = new PhotoPyramid(frame);
    const before = this.tracks.length;
    await this.follow(pyramid);
    this.sinceSearch++;
    if (this.tracks.length < before || before === 0 || this.sinceSearch >= DETECT_EVERY) {
      await this.search(pyramid);
      this.sinceSearch = 0;
    }
    return this.tracks.map((track) => track.face);
  }

  /** Move the tracks to this frame; those in doubt end. */
  private async follow(pyramid: PhotoPyramid): Promise<void> {
    const regions = this.tracks.map((track) => this.landmarks.next(track.face));
    const faces = await this.landmarks.locate(pyramid, regions);
    const kept: Track[] = [];
    faces.forEach((face, index) => {
      const track = this.tracks[index]!;
      const box = boxOfPoints(face.points);
      const jumped = iou(box, boxOfPoints(track.face.points)) < JUMP_IOU;
      const astray = kept.some((other) => sameFace(box, boxOfPoints(other.face.points)));
      if (jumped || astray || scoreOf(face) < this.landmarks.model.score_threshold) return;
      track.face = face;
      kept.push(track);
    });
    this.tracks = kept;
  }

  /** Let the detector look: confirm tracks, and begin new ones. */
  private async search(pyramid: PhotoPyramid): Promise<void> {
    const detections = await this.finder.detect(pyramid.photo);
    const isOf = (track: Track, box: Parameters<typeof iou>[0]) => sameFace(boxOfPoints(track.face.points), box, 0.25);
    for (const track of this.tracks) {
      const seen = detections.some(({ box }) => isOf(track, box));
      track.unconfirmed = seen ? 0 : track.unconfirmed + 1;
    }
    this.tracks = this.tracks.filter((track) => track.unconfirmed < UNCONFIRMED);
    const unknown = detections.filter(({ box }) => !this.tracks.some((track) => isOf(track, box)));
    for (const face of await this.landmarks.refine(pyramid, unknown)) {
      const box = boxOfPoints(face.points);
      if (this.tracks.some((track) => sameFace(boxOfPoints(track.face.points), box))) continue;
      this.tracks.push({ face, unconfirmed: 0 });
    }
  }
}
