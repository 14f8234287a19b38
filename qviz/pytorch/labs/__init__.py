"""What only the course needs: measurements behind explorers and pages, built on qviz.pytorch."""
