"""MediaPipe's pose, one person, on every frame of a video. Runs in MediaPipe's own environment.

    python benchmarks/mediapipe_peer.py VIDEO CORES

Reads the video for every line it reads, and prints the seconds. The number of threads can't be set
in MediaPipe: the process keeps to so many cores.
"""

import os
import sys
import time

import cv2
import mediapipe


def main() -> None:
    path, cores = sys.argv[1], int(sys.argv[2])
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    cv2.setNumThreads(cores)
    print(f"MediaPipe {mediapipe.__version__}", flush=True)
    for _ in sys.stdin:
        start = time.perf_counter()
        with mediapipe.solutions.pose.Pose() as pose:
            video = cv2.VideoCapture(path)
            while True:
                there, frame = video.read()
                if not there:
                    break
                pose.process(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB))
        print(time.perf_counter() - start, flush=True)


if __name__ == "__main__":
    main()
