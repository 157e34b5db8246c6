/** Photos from files: upright by EXIF, of at most `MOST_PIXELS`. */

/** Larger photos are reduced to it: browsers on phones have no larger canvases. */
const MOST_PIXELS = 16_000_000;

export interface Opened {
  readonly bitmap: ImageBitmap;
  /** Size of the upright photo; the bitmap is smaller where the photo has more than `MOST_PIXELS`. */
  readonly width: number;
  readonly height: number;
}

/** Decode a file. Its colors are taken as they are, without a profile, as Python takes them. */
export async function openPhoto(file: Blob, name: string): Promise<Opened> {
  const options: ImageBitmapOptions = { imageOrientation: "from-image", colorSpaceConversion: "none" };
  const bitmap = await createImageBitmap(file, options).catch(() => null);
  if (bitmap === null) {
    throw new Error(
      `${name} is not an image that this browser can read. Choose a JPEG, PNG or WebP file` +
        (/\.hei[cf]$/i.test(name) ? "; only Safari reads HEIC." : "."),
    );
  }
  const { width, height } = bitmap;
  const factor = Math.sqrt(MOST_PIXELS / (width * height));
  if (factor >= 1) return { bitmap, width, height };
  const smaller = await createImageBitmap(bitmap, {
    resizeWidth: Math.max(1, Math.round(width * factor)),
    resizeHeight: Math.max(1, Math.round(height * factor)),
    resizeQuality: "high",
  });
  bitmap.close();
  return { bitmap: smaller, width, height };
}
