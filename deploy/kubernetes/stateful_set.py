"""The Deployment as a StatefulSet with a volume for each replica's snapshots.

`python -m deploy.kubernetes.stateful_set` writes it.
"""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
DEPLOYMENT = HERE / "deployment.yaml"
STATEFUL_SET = HERE / "snapshots-volume" / "stateful-set.yaml"

HEAD = """\
# Made by `python -m deploy.kubernetes.stateful_set` from deployment.yaml: change that file and run it.
"""
STRATEGY = """\
  strategy:
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
"""
IDENTITY = """\
  serviceName: stream-al
  podManagementPolicy: Parallel # replicas start independently of each other
  # Snapshots are a cache, so the volume of a removed replica is deleted.
  persistentVolumeClaimRetentionPolicy: {whenDeleted: Delete, whenScaled: Delete}
"""
CACHE = """\
        # A cache. A restarted container keeps it. A new pod has none and rebuilds the model from examples;
        # if that takes too long, use snapshots-volume or snapshots-s3.
        - name: snapshots
          emptyDir: {sizeLimit: 1Gi}
"""
CLAIMS = """\
  volumeClaimTemplates:
    - metadata:
        name: snapshots
        labels: {app.kubernetes.io/name: stream-al}
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests: {storage: 1Gi}
"""


def manifest() -> str:
    """The Deployment, turned into a StatefulSet."""
    text = DEPLOYMENT.read_text(encoding="utf-8")
    for old, new in (("kind: Deployment\n", "kind: StatefulSet\n"), (STRATEGY, IDENTITY), (CACHE, "")):
        assert text.count(old) == 1, old  # noqa: S101 - if this fails, correct the text above
        text = text.replace(old, new)
    return HEAD + text + CLAIMS


if __name__ == "__main__":
    STATEFUL_SET.write_text(manifest(), encoding="utf-8")
