/** The camera as a video element, and in words why there is none. */

export async function openCamera(): Promise<HTMLVideoElement> {
  if (navigator.mediaDevices === undefined) {
    throw new Error("This browser gives cameras only to pages from https:// or localhost. Open the page there.");
  }
  const stream = await navigator.mediaDevices
    .getUserMedia({ video: { facingMode: "user", width: { ideal: 640 }, height: { ideal: 480 } } })
    .catch((error: unknown) => {
      throw new Error(inWords(error));
    });
  const video = document.createElement("video");
  video.muted = true;
  video.playsInline = true;
  video.srcObject = stream;
  await video.play();
  return video;
}

export function closeCamera(video: HTMLVideoElement): void {
  for (const track of (video.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

function inWords(error: unknown): string {
  switch (error instanceof DOMException ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return "The camera was not allowed. Allow it for this page in the browser's address bar, and start it again.";
    case "NotFoundError":
    case "OverconstrainedError":
      return "No camera was found. Connect one, or choose a photo.";
    case "NotReadableError":
    case "AbortError":
      return "The camera is in use by another program, or does not answer. Close that program, and start it again.";
    default:
      return `The camera could not be started (${error instanceof Error ? error.message : String(error)}).`;
  }
}
