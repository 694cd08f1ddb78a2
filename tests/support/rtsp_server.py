"""A camera for tests: pictures by RTSP on loopback, without end. Run by the Python that has Debian's GStreamer, not by that of the tests.

/usr/bin/python3 rtsp_server.py PORT FOLDER RATE [PASSWORD]: the JPEG files 0000.jpg and on of a folder, so many a second, again and again
at /film as H.264, and sound alone at /sound; with a password for user ``viewer`` alone. Says which port it took: PORT, or any if that is 0.
--check: fails where a part of GStreamer is missing.
"""

from __future__ import annotations

import sys
from pathlib import Path

import gi

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")
from gi.repository import GLib, Gst, GstRtspServer  # noqa: E402

SOUND = "( audiotestsrc is-live=true ! alawenc ! rtppcmapay name=pay0 pt=8 )"
FILM = (
    '( multifilesrc location="{folder}/%04d.jpg" start-index=0 stop-index={last} loop=true caps="image/jpeg,framerate={rate}/1"'
    " ! jpegdec ! videoconvert ! video/x-raw,format=I420 ! x264enc tune=zerolatency speed-preset=ultrafast bitrate=4000"
    " key-int-max={rate} threads=1 ! rtph264pay name=pay0 pt=96 config-interval=-1 )"
)
ELEMENTS = ("multifilesrc", "jpegdec", "videoconvert", "x264enc", "rtph264pay", "audiotestsrc", "alawenc", "rtppcmapay")
VIEWER = "viewer"


def factory(launch: str) -> GstRtspServer.RTSPMediaFactory:
    made = GstRtspServer.RTSPMediaFactory()
    made.set_launch(launch)
    made.set_shared(True)
    rights = GstRtspServer.RTSPPermissions()
    for right in (GstRtspServer.RTSP_PERM_MEDIA_FACTORY_ACCESS, GstRtspServer.RTSP_PERM_MEDIA_FACTORY_CONSTRUCT):
        rights.add_permission_for_role(VIEWER, right, True)
    made.set_permissions(rights)
    return made


def locked(password: str) -> GstRtspServer.RTSPAuth:
    auth, token = GstRtspServer.RTSPAuth(), GstRtspServer.RTSPToken()
    token.set_string(GstRtspServer.RTSP_TOKEN_MEDIA_FACTORY_ROLE, VIEWER)
    auth.add_basic(GstRtspServer.RTSPAuth.make_basic(VIEWER, password), token)
    return auth


def main(port: str, folder: str, rate: str, *password: str) -> None:
    Gst.init(None)
    server = GstRtspServer.RTSPServer.new()
    server.set_address("127.0.0.1")
    server.set_service(port)
    last = len(list(Path(folder).glob("*.jpg"))) - 1
    mounts = server.get_mount_points()
    mounts.add_factory("/film", factory(FILM.format(folder=folder, last=last, rate=rate)))
    mounts.add_factory("/sound", factory(SOUND))
    if password:
        server.set_auth(locked(*password))
    if not server.attach(None):
        sys.exit("the port is taken")
    print(server.get_bound_port(), flush=True)
    GLib.MainLoop().run()


def require_elements() -> None:
    """Fail where a part of GStreamer is missing."""
    Gst.init(None)
    missing = [name for name in ELEMENTS if Gst.ElementFactory.find(name) is None]
    if missing:
        sys.exit(f"missing: {' '.join(missing)}")


if __name__ == "__main__":
    if sys.argv[1:] == ["--check"]:
        require_elements()
    else:
        main(*sys.argv[1:])
