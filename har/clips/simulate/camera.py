"""A pinhole camera that frames somebody's head, with zoom and shake."""

from dataclasses import dataclass

import numpy as np

from har.clips.simulate.bodies import rotation

HEIGHT, WIDTH = 256, 340


@dataclass(frozen=True)
class Camera:
    """Place, direction and zoom of a camera.

    The camera looks at the scene from `distance` metres, turned by `yaw`, `pitch` and `roll`
    around the point `aim`, which appears at pixel `centre` plus the shake of each frame.
    """

    aim: np.ndarray  # (3,) world point
    centre: np.ndarray  # (2,) pixel x, y
    distance: float
    focal: float  # pixels
    yaw: float
    pitch: float
    roll: float

    def project(
        self, points: np.ndarray, zoom: np.ndarray | float = 1.0, shake: np.ndarray | float = 0.0
    ) -> np.ndarray:
        """Pixels (T, V, 2) of world points (T, V, 3); zoom (T, 1, 1), shake (T, 1, 2) pixels."""
        seen = self.turn(points - self.aim)
        depth = np.maximum(seen[..., 2:] + self.distance, 0.15)
        return self.centre + zoom * self.focal * seen[..., :2] / depth + shake

    def locate(self, pixel: np.ndarray, depth: float) -> np.ndarray:
        """The world point (3,) that appears at `pixel`, `depth` metres behind `aim`."""
        ray = np.append((pixel - self.centre) / self.focal, 1.0) * (self.distance + depth)
        angles = (np.array([angle]) for angle in (self.yaw, self.pitch, self.roll))
        return self.aim + (ray - (0, 0, self.distance)) @ rotation(*angles)[0]

    def turn(self, vectors: np.ndarray) -> np.ndarray:
        """World vectors (..., 3) in the camera's axes."""
        angles = (np.array([angle]) for angle in (self.yaw, self.pitch, self.roll))
        return vectors @ rotation(*angles)[0].T


def sample_camera(
    generator: np.random.Generator, aim: np.ndarray, shoulder_pixels: float, yaw: float
) -> Camera:
    """Draw a camera that shows shoulders, 0.31 m wide in life, `shoulder_pixels` wide."""
    distance = float(np.clip(150 / shoulder_pixels * np.exp(generator.normal(0, 0.25)), 0.6, 4))
    # A close-up shows the face in the upper middle, a wide shot has head-room of its own.
    centre = np.array([WIDTH / 2, 95.0]) + generator.normal(0, 1, 2) * (38, 18)
    return Camera(
        aim=aim,
        centre=centre,
        distance=distance,
        focal=shoulder_pixels / 0.31 * distance,
        yaw=yaw,
        pitch=float(generator.normal(0.05, 0.08)),
        roll=float(generator.normal(0, 0.04)),
    )
